"""PredictionSet -> every_eval_ever: UUID.json and UUID_samples.jsonl, where its datastore has them.

Unscored samples are left out, since every sample there has a score.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from stillright.comparison.pairing import with_verdicts
from stillright.errors import DataError
from stillright.folder.files import write_atomically
from stillright.records import TYPES, PredictionSet

SCHEMA = "0.3.0"
GENERATION = ("temperature", "top_p", "top_k", "max_tokens")  # the settings that it has a place for
UNKNOWN = "unknown"


def export(predictions: PredictionSet, folder: Path) -> Path:
    """Writes both files below `folder`, in data/TASK/MAKER/MODEL; returns the file of samples.

    The same results give the same names. Raises DataError if no sample is scored.
    """
    rows = _rows(predictions)
    if not rows:
        raise DataError(f"{predictions.name}: no sample is scored, so there is nothing to export")
    digest = hashlib.sha256(json.dumps(rows).encode()).digest()
    name = f"{UUID(bytes=digest[:16], version=4)}"
    now = str(time.time())
    run = {"schema_version": SCHEMA, "evaluation_id": f"{_task(predictions)}/{predictions.name}/{now}"}
    place = Path("data", *map(_part, (_task(predictions), *_maker_and_model(predictions.name))))
    (folder / place).mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(run | row, ensure_ascii=False) + "\n" for row in rows)
    samples = write_atomically(folder / place / f"{name}_samples.jsonl", lines)
    account = run | {"retrieved_timestamp": now, **_account(predictions, [row["evaluation"]["score"] for row in rows])}
    account["detailed_evaluation_results"] = {
        "format": "jsonl",
        "file_path": f"{place.as_posix()}/{samples.name}",
        "hash_algorithm": "sha256",
        "checksum": hashlib.sha256(lines.encode()).hexdigest(),
        "total_rows": len(rows),
    }
    write_atomically(folder / place / f"{name}.json", json.dumps(account, indent=2, ensure_ascii=False) + "\n")
    return samples


def _task(predictions: PredictionSet) -> str:
    return predictions.header.task or UNKNOWN


def _metric(predictions: PredictionSet) -> str:
    return predictions.header.metric or ("correct" if predictions.kind == "discrete" else "score")


def _maker_and_model(name: str) -> tuple[str, str]:
    maker, slash, model = name.partition("/")
    return (maker, model) if slash and maker and model else (UNKNOWN, name)


def _part(text: str) -> str:
    """A text as the name of a folder."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text).lstrip(".") or UNKNOWN


def _rows(predictions: PredictionSet) -> list[dict[str, Any]]:
    """A record for each scored sample, without what says of which run it is."""
    discrete = predictions.kind == "discrete"
    table = with_verdicts(predictions.table) if discrete else predictions.table
    value = "right" if discrete else "score"
    return [_row(predictions, row, row[value]) for row in table.iter_rows(named=True) if row[value] is not None]


def _row(predictions: PredictionSet, row: Mapping[str, Any], value: bool | float) -> dict[str, Any]:
    further = [name for name in predictions.table.columns if name not in TYPES and row[name] is not None]
    known = {name: row[name] for name in further} | ({"doc_hash": row["asked"]} if row["asked"] is not None else {})
    answer = row["prediction"]
    return {
        "model_id": "/".join(_maker_and_model(predictions.name)),
        "evaluation_name": _task(predictions),
        "evaluation_result_id": _metric(predictions),
        "sample_id": row["id"],
        "interaction_type": "single_turn",
        "input": {"raw": row["prompt"] or "", "reference": row["reference"] or []},
        "output": {"raw": [] if row["output"] is None else [row["output"]]},
        "answer_attribution": [
            {
                "turn_idx": 0,
                "source": "output.raw",
                "extracted_value": (row["output"] or "") if answer is None else answer,
                "extraction_method": "none" if answer is None else "custom",
                "is_terminal": True,
            }
        ],
        "evaluation": {"score": float(value), "is_correct": value is True},
        "metadata": known or None,
    }


def _account(predictions: PredictionSet, scores: list[float]) -> dict[str, Any]:
    """What is said of the whole run. Who made it is not known here."""
    header = predictions.header
    maker, model = _maker_and_model(header.name)
    generation = header.settings.get("generation")
    given = generation if isinstance(generation, dict) else {}
    arguments = {key: given[key] for key in GENERATION if isinstance(given.get(key), int | float)}
    metric: dict[str, Any] = {"metric_name": _metric(predictions), "lower_is_better": bool(header.lower_is_better)}
    result = {
        "evaluation_result_id": _metric(predictions),
        "evaluation_name": _task(predictions),
        "source_data": {"dataset_name": _task(predictions), "source_type": "other"},
        "metric_config": metric | ({"score_type": "binary"} if predictions.kind == "discrete" else {}),
        "score_details": {"score": sum(scores) / len(scores), "uncertainty": {"num_samples": len(scores)}},
        "generation_config": {"generation_args": arguments} if arguments else None,
    }
    return {
        "source_metadata": {
            "source_type": "evaluation_run",
            "source_organization_name": UNKNOWN,
            "evaluator_relationship": "other",
        },
        "eval_library": {"name": str(header.source.get("tool", "stillright")), "version": UNKNOWN},
        "model_info": {"name": model, "id": f"{maker}/{model}", "developer": maker},
        "evaluation_results": [result],
    }
