"""Makes tests/logs/mlflow/ with MLflow's own evaluations, offline; answers and judges are canned.

pip install mlflow==3.17.2
python scripts/logs/mlflow_logs.py [OUT]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.genai import scorer
from mlflow.metrics import MetricValue, make_metric

OUT = Path(__file__).parents[2] / "tests" / "logs" / "mlflow"
CASES = [  # question, answer, expected
    ("What colour is snow?", "White", "White"),
    ("What colour is coal?", "White", "Black"),
    ("What colour is the sea on a map?", "Unclear", "Blue"),
]
VARYING = {  # ids, times, and traces with the paths of this machine
    *("trace_id", "trace", "request_time", "execution_duration", "trace_metadata", "tags", "spans", "assessments"),
}


def exact(outputs: str, expectations: dict[str, str]) -> bool:
    if outputs == "Unclear":
        raise ValueError("the judge did not reply")
    return outputs == expectations["expected_response"]


def brevity(outputs: str) -> float:
    return 1 - len(outputs) / 20


def of_genai() -> pd.DataFrame:
    """The table of mlflow.genai.evaluate."""
    data: list[dict[str, Any]] = [
        {"inputs": {"question": asked}, "outputs": answer, "expectations": {"expected_response": expected}}
        for asked, answer, expected in CASES
    ]
    table = mlflow.genai.evaluate(data=data, scorers=[scorer(exact), scorer(brevity)]).result_df
    return table[sorted(set(table.columns) - VARYING)]


def of_models() -> pd.DataFrame:
    """The table of mlflow.models.evaluate, which MLflow before 3 calls mlflow.evaluate."""

    def brevities(predictions: pd.Series) -> MetricValue:
        return MetricValue(scores=[1 - len(answer) / 20 for answer in predictions])

    data = pd.DataFrame(CASES, columns=["inputs", "answer", "ground_truth"])
    answers = dict(zip(data["inputs"], data["answer"], strict=True))
    with mlflow.start_run() as run:
        mlflow.models.evaluate(
            lambda table: [answers[asked] for asked in table["inputs"]],
            data=data[["inputs", "ground_truth"]],
            targets="ground_truth",
            extra_metrics=[make_metric(eval_fn=brevities, greater_is_better=True, name="brevity", version="v1")],
            evaluators="default",
        )
        return mlflow.load_table("eval_results_table.json", run_ids=[run.info.run_id])


def write(out: Path) -> None:
    """Both tables as CSV."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/runs.db")
        of_genai().sort_values("request", key=lambda asked: asked.map(str)).to_csv(out / "genai.csv", index=False)
        of_models().to_csv(out / "models.csv", index=False)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
