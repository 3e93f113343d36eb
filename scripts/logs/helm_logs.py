"""Makes tests/logs/helm/ with HELM's own data classes, written as its runner does, offline; answers are canned.

pip install crfm-helm==0.5.16
python scripts/logs/helm_logs.py [OUT]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from helm.benchmark.adaptation.adapter_spec import AdapterSpec
from helm.benchmark.adaptation.request_state import RequestState
from helm.benchmark.adaptation.scenario_state import ScenarioState
from helm.benchmark.augmentations.perturbation_description import PerturbationDescription
from helm.benchmark.metrics.metric import PerInstanceStats
from helm.benchmark.metrics.metric_name import MetricName
from helm.benchmark.metrics.statistic import Stat
from helm.benchmark.runner import remove_per_instance_stats_nans
from helm.benchmark.scenarios.scenario import Input, Instance, Output, Reference
from helm.common.general import asdict_without_nones
from helm.common.request import GeneratedOutput, Request, RequestResult

OUT = Path(__file__).parents[2] / "tests" / "logs" / "helm"
RUN = "colours:subject=maps,model=harbour_tiny"
LETTERS = {"A": "white", "B": "black", "C": "blue"}
ROWS = [  # id, question, right answer, what the model writes (None: the request failed), exact match
    ("id0", "What colour is snow?", "white", " A", 1.0),
    ("id1", "What colour is coal?", "black", " A", 0.0),
    ("id2", "What colour is the sea on a map?", "blue", " C", 1.0),
    ("id3", "What colour is soot?", "black", None, 0.0),
    ("id4", "What colour is milk?", "white", " A", float("nan")),
]


def instance(row: tuple[str, str, str, str | None, float], changed: PerturbationDescription | None) -> Instance:
    """A question with three answers."""
    sample, question, right, _, _ = row
    references = [Reference(Output(text), ["correct"] if text == right else []) for text in LETTERS.values()]
    asked = Input(question if changed is None else question.lower())
    return Instance(asked, references, split="test", id=sample, perturbation=changed)


def state(row: tuple[str, str, str, str | None, float], changed: PerturbationDescription | None) -> RequestState:
    """A request, and what came back; success says only whether anything did."""
    text = row[3]
    asked = instance(row, changed)
    completions = [] if text is None else [GeneratedOutput(text=text, logprob=0.0, tokens=[])]
    result = RequestResult(text is not None, [], completions, cached=False, error="filtered" if text is None else None)
    request = Request(
        model="harbour/tiny", prompt=f"Question: {asked.input.text}\nAnswer:", temperature=0.0, max_tokens=1
    )
    return RequestState(asked, None, None, 0, LETTERS, request, result, 0, prompt_truncated=False)


def stats(row: tuple[str, str, str, str | None, float], changed: PerturbationDescription | None) -> PerInstanceStats:
    """The values of an instance; of a perturbed one all are wrong."""
    value = row[4] if changed is None else 0.0
    found = [Stat(MetricName("exact_match", split="test")).add(value), Stat(MetricName("num_prompt_tokens")).add(9)]
    return PerInstanceStats(row[0], changed, 0, found)


def write(out: Path) -> None:
    """The folder of a run."""
    adapter = AdapterSpec(method="multiple_choice_joint", model="harbour/tiny", temperature=0.0, max_tokens=1)
    typos = PerturbationDescription(name="lowercase", robustness=True)
    made = [(row, changed) for changed in (None, typos) for row in ROWS]
    folder = out / RUN.replace(":", "_")  # HELM keeps the colon, which not all file systems can
    folder.mkdir(parents=True, exist_ok=True)
    scenario_state = asdict_without_nones(ScenarioState(adapter, [state(*each) for each in made]))
    per_instance = remove_per_instance_stats_nans([stats(*each) for each in made])
    for name, value in {
        "run_spec.json": {"name": RUN},
        "scenario_state.json": scenario_state,
        "per_instance_stats.json": list(map(asdict_without_nones, per_instance)),
    }.items():
        (folder / name).write_text(json.dumps(value, indent=2))


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
