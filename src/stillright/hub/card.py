"""An adapter, and where it was compared its results -> README.md of its folder: the page that the Hub shows.

Words of users, such as the names of tasks, are values of YAML or escaped Markdown. Samples are never shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import yaml

from stillright.comparison import Candidate, Comparison
from stillright.hub.adapter import Adapter, Base
from stillright.report import words
from stillright.report.controls import without_controls
from stillright.report.markdown import cell, escaped, sections
from stillright.report.page import Lines, Section
from stillright.report.pages import comparison_page
from stillright.stats import Estimate

CARD = "README.md"
REPOSITORY = "OWNER/NAME"  # in place of the adapter's id, until it is pushed
LOCAL = "PATH_TO_BASE"
LOCAL_DATA = "local-files"  # in place of the id of a data set
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # that vLLM reserves memory for
NO_BASE = "# base_model: the base was a local folder; add its id on the hub before you publish this"
NO_LICENSE = "# license: not known from the base; add one, such as apache-2.0, before you publish this"


def card(adapter: Adapter, comparison: Comparison | None = None) -> str:
    """The whole card. comparison: of old and new with this adapter as a candidate of its name; None: not measured."""
    parts = [
        *(f"---\n{_front_matter(adapter, comparison)}---", f"# {_title(adapter)}", _what_it_is(adapter)),
        *("## Use it", _use(adapter)),
        sections(_results(adapter, comparison)),
        sections([Section("Limits", [Lines([*_limits(adapter, comparison)])])]),
        sections([Section("How it was made", [Lines([f"{name}: {text}" for name, text in adapter.made])])]),
    ]
    return "\n\n".join(parts).rstrip() + "\n"


def _front_matter(adapter: Adapter, comparison: Comparison | None) -> str:
    base = adapter.base
    values: dict[str, Any] = {} if base.id is None else {"base_model": base.id}
    values |= {"base_model_relation": "adapter", "library_name": "peft", "pipeline_tag": "text-generation"}
    values |= base.license
    if adapter.dataset is not None:
        values["datasets"] = [adapter.dataset]
    values["tags"] = ["lora", "stillright"]
    if measured := _candidate(adapter, comparison):
        assert comparison is not None
        values["model-index"] = [{"name": adapter.name, "results": [_result(adapter, measured, comparison)]}]
    lacks = [NO_BASE] * (base.id is None) + [NO_LICENSE] * (not base.license)
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    return "".join(f"{line}\n" for line in lacks) + text


def _candidate(adapter: Adapter, comparison: Comparison | None) -> Candidate | None:
    """The adapter's own part of the results."""
    candidates = () if comparison is None else comparison.candidates
    return next((each for each in candidates if each.name == adapter.name), None)


def _result(adapter: Adapter, measured: Candidate, comparison: Comparison) -> dict[str, Any]:
    """As the Hub's model-index has it, whose numbers are of this adapter alone; it has no place for intervals but the
    names."""
    metric = without_controls(comparison.metric or "score")
    new = comparison.new.name
    shown = [
        (metric, metric, measured.score_interval, words.score(comparison, measured.score_interval)),
        ("nfr", "negative flips (NFR)", measured.comparison.nfr, words.percent(measured.comparison.nfr)),
        ("delta_nfr", f"NFR, against {new}", measured.delta_nfr, f"{words.points(measured.delta_nfr)} points"),
    ]
    return {
        "task": {"type": "text-generation"},
        "dataset": {"type": adapter.dataset or LOCAL_DATA, "name": without_controls(adapter.task or LOCAL_DATA)},
        "metrics": [_metric(*each) for each in shown if each[2].value is not None],
    }


def _metric(kind: str, name: str, estimate: Estimate, shown: str) -> dict[str, Any]:
    assert estimate.value is not None
    return {"type": kind, "name": f"{name}: {shown}", "value": round(estimate.value, 4)}


def _title(adapter: Adapter) -> str:
    of = _base_name(adapter.base)
    return cell(f"{adapter.task}: a {adapter.kind} of {of}" if adapter.task else f"A {adapter.kind} of {of}")


def _base_name(base: Base) -> str:
    return base.id or "a local base"


def _what_it_is(adapter: Adapter) -> str:
    at = f" at commit {adapter.base.commit}" if adapter.base.id and adapter.base.commit else ""
    task = f" for the task {adapter.task}" if adapter.task else ""
    keeps = f" It is to keep right what {adapter.old} answered right." if adapter.old else ""
    made = f"Made by stillright {version('stillright')}, which finds and trains away the right answers an update loses."
    return escaped(f"A LoRA adapter of rank {adapter.rank} of {_base_name(adapter.base)}{at}{task}.{keeps} {made}")


def _use(adapter: Adapter) -> str:
    base, commit = adapter.base.id or LOCAL, adapter.base.commit if adapter.base.id else None
    revision = f', revision="{commit}"' if commit else ""
    pinned = f"{base}@{commit}" if commit else base
    return f"""```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

base = AutoModelForCausalLM.from_pretrained("{base}"{revision})
model = PeftModel.from_pretrained(base, "{REPOSITORY}")
```

As an ordinary checkpoint, with the adapter in its weights:

```sh
stillright merge {pinned}+{REPOSITORY} --out merged
```

{_serve(base, commit, adapter.rank)}"""


def _serve(base: str, commit: str | None, rank: int) -> str:
    """How vLLM serves it, which has to be told the rank."""
    reserved = next((each for each in RANKS if each >= rank), None)
    if reserved is None:
        return f"vLLM serves adapters of at most rank {RANKS[-1]}; this one has {rank}, so serve the merged checkpoint."
    options = f"--enable-lora --lora-modules adapter={REPOSITORY} --max-lora-rank {reserved}"
    revision = f" --revision {commit}" if commit else ""
    return f"""Served by vLLM; where that cannot serve the layers which it changes, serve the merged checkpoint:

```sh
vllm serve {base}{revision} {options}
```"""


def _results(adapter: Adapter, comparison: Comparison | None) -> Iterable[Section]:
    """The sentences, counts and metrics of the run's report."""
    if comparison is None or _candidate(adapter, comparison) is None:
        return [Section("Results", [Lines(["Nothing was measured when this was written."])])]
    page = comparison_page(comparison)
    counts, metrics, *_ = page.sections
    said = [*_who_is_who(adapter, comparison), *page.summary, page.note]
    return [Section("Results", [Lines(said)]), counts, metrics]


def _who_is_who(adapter: Adapter, comparison: Comparison) -> Iterable[str]:
    """What the names of the comparison stand for, where that is known."""
    if adapter.old:
        old, new = comparison.old.name, comparison.new.name
        yield f"{old}: {adapter.old}; {new}: the adapter of this base for the task alone; {adapter.name}: this adapter."


def _limits(adapter: Adapter, comparison: Comparison | None) -> Iterable[str]:
    measured = _candidate(adapter, comparison)
    if comparison is None or measured is None:
        yield "What it keeps and loses is not known: compare its answers with those of the old model."
        return
    lost, old_right = words.count(measured.comparison.regression), measured.comparison.both_right
    of = "" if old_right is None else f" of the {words.count(old_right + measured.comparison.regression)} right"
    yield (
        f"It loses {lost}{of} answers of {comparison.old.name}, {words.count(measured.newly_lost)} of "
        f"which {comparison.new.name} keeps."
    )
    yield (
        f"Measured on {comparison.n:,} items of {adapter.task or 'one task'}, by {comparison.metric or 'score'}, "
        "with the prompts it was trained on; nothing is known of other tasks and prompts."
    )
    yield "One run, one seed: the intervals are over items, and say nothing of other seeds."
    if adapter.known_rows:
        yield f"{adapter.known_rows:,} of the rows that were measured are also among those that were trained on."
