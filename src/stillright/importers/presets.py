"""What the columns of tables that other tools write are called, by the tool. Knows names alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stillright.errors import DataError, spelled
from stillright.importers.selection import Selection, choose, listed

METRIC = "{metric}"  # in the name of a column: that of the metric which is chosen
# tool -> our column -> theirs; where a tool has no ids, a sample is what was asked
PRESETS: Mapping[str, Mapping[str, str]] = {
    "azure": {  # the rows of azure.ai.evaluation.evaluate
        "id": "inputs.query",
        "prompt": "inputs.query",
        "output": "inputs.response",
        "reference": "inputs.ground_truth",
        "score": f"outputs.{METRIC}",
    },
    "langsmith": {"id": "example_id", "score": f"feedback.{METRIC}"},  # ExperimentResults.to_pandas
    "mlflow": {  # EvaluationResult.result_df of mlflow.genai.evaluate
        "id": "request",
        "prompt": "request",
        "output": "response",
        "reference": "expected_response/value",
        "score": f"{METRIC}/value",
    },
    "mlflow-models": {  # eval_results_table of mlflow.models.evaluate, once mlflow.evaluate
        "id": "inputs",
        "prompt": "inputs",
        "output": "outputs",
        "score": f"{METRIC}/score",
    },
    "ragas": {  # EvaluationResult.to_pandas
        "id": "user_input",
        "prompt": "user_input",
        "output": "response",
        "reference": "reference",
        "score": METRIC,
    },
}


def renamed(selection: Selection, names: Sequence[str], place: str) -> dict[str, str]:
    """Our column -> theirs, as the user says, else as the preset does where a table with `names` has its column.

    Raises DataError naming `place` for an unknown preset, and one without a metric, or without its column.
    """
    given = dict(selection.rename)
    if selection.preset is None:
        return given
    preset = PRESETS[choose("preset", PRESETS, selection.preset, place)]
    known = {own: theirs for own, theirs in preset.items() if METRIC not in theirs and theirs in names}
    if not {"score", "correct"} & set(given):
        known["score"] = _score(preset, selection, names, place)
    return known | given


def _score(preset: Mapping[str, str], selection: Selection, names: Sequence[str], place: str) -> str:
    """The column of the metric's values."""
    start, _, end = preset["score"].partition(METRIC)
    of_metrics = [name for name in names if (start or end) and name.startswith(start) and name.endswith(end)]
    found = [name.removeprefix(start).removesuffix(end) for name in of_metrics if name not in preset.values()]
    if selection.metric is None:
        option = spelled(command="--metric NAME", python="metric=NAME")
        there = f"; there is {listed(found)}" if found else ""
        raise DataError(f"{place}: the preset {selection.preset} needs a metric, choose one with {option}{there}")
    return choose("column", names, f"{start}{selection.metric}{end}", place)
