"""All formats: how each is recognized, and what reads it. The first that looks like a file or folder is taken.

To add one, write a module with a function `read`, and name it here.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from stillright.errors import DataError
from stillright.importers.delimited import read_csv
from stillright.importers.glimpse import PARQUET, ZIP, Glimpse
from stillright.importers.harness_files import find_samples
from stillright.importers.jsonl import read_jsonl
from stillright.importers.selection import Selection
from stillright.importers.tables import read_parquet, read_records
from stillright.records import PredictionSet

Reader = Callable[[Path, Selection], PredictionSet]


class Format(NamedTuple):
    """A format of results."""

    name: str
    looks_like: Callable[[Glimpse], bool]
    read: Reader
    is_log: bool = True  # it knows its own columns, so none can be renamed, and may hold several results


def _in(module: str) -> Reader:
    """The function `read` of one of our modules, which is imported when the format is met."""

    def read(path: Path, selection: Selection) -> PredictionSet:
        found: Reader = import_module(f"stillright.importers.{module}").read
        return found(path, selection)

    return read


def _totals(tool: str, samples: str) -> Reader:
    """What refuses the totals that a tool writes beside its samples."""

    def refuse(path: Path, _: Selection) -> PredictionSet:
        raise DataError(f"{path}: totals of {tool}; give its {samples}")

    return refuse


def _is_harness(seen: Glimpse) -> bool:
    if seen.is_folder:
        return bool(find_samples(seen.path))
    return seen.has("doc_id") and bool(seen.keys & {"arguments", "resps", "filtered_resps"})


def _is_every_eval_ever(seen: Glimpse) -> bool:
    return seen.has("evaluation_id", "sample_id", "evaluation_name") or seen.has("evaluation_id", "evaluation_results")


def _is_helm(seen: Glimpse) -> bool:
    if seen.is_folder:
        return (seen.path / "per_instance_stats.json").is_file()
    return seen.has("instance_id", "train_trial_index", "stats") or seen.has("adapter_spec", "request_states")


def _is_lighteval(seen: Glimpse) -> bool:
    return seen.magic == PARQUET and seen.keys >= {"doc", "model_response", "metric"}


def _is_output_items(seen: Glimpse) -> bool:
    return seen.has("object", "data", "has_more") or seen.has("datasource_item_id", "results")


def _is_opencompass(seen: Glimpse) -> bool:
    return seen.has("details") and not seen.one_per_line and "id" not in seen.keys


def _is_langfuse(seen: Glimpse) -> bool:
    return seen.has("data", "meta") or seen.has("experimentItemId", "experimentName")


def _is_braintrust(seen: Glimpse) -> bool:
    return seen.has("span_id", "root_span_id") or (seen.has("events") and seen.keys <= {"events", "cursor"})


LOGS = (
    Format("lm-evaluation-harness", _is_harness, _in("harness")),
    Format("Inspect", lambda seen: seen.magic == ZIP or seen.has("eval", "plan"), _in("inspect")),
    Format(
        "promptfoo",
        lambda seen: seen.has("results", "config") or seen.has("promptIdx", "success"),
        _in("promptfoo"),
    ),
    Format("every_eval_ever", _is_every_eval_ever, _in("every_eval_ever")),
    Format("EvalScope", lambda seen: seen.has("index", "sample_score"), _in("evalscope")),
    Format("LightEval", _is_lighteval, _in("lighteval")),
    Format("DeepEval", lambda seen: seen.has("testCases", "metricsScores"), _in("deepeval")),
    Format("HELM", _is_helm, _in("helm")),
    Format("OpenAI evals", lambda seen: seen.one_per_line and seen.keys == {"spec"}, _in("openai_evals")),
    Format("OpenAI output items", _is_output_items, _in("openai_items")),
    Format("Pydantic Evals", lambda seen: seen.has("name", "cases", "failures"), _in("pydantic_evals")),
    Format("Langfuse", _is_langfuse, _in("langfuse")),
    Format("Braintrust", _is_braintrust, _in("braintrust")),
    Format("EvalPlus", lambda seen: seen.has("eval", "hash", "date"), _in("evalplus")),
    Format("OpenCompass", _is_opencompass, _in("opencompass")),
    Format("SWE-bench", lambda seen: seen.has("resolved_ids", "unresolved_ids"), _in("swebench")),
)
TOTALS = (
    Format(
        "totals of lm-evaluation-harness",
        lambda seen: seen.has("results", "configs"),
        _totals("lm-evaluation-harness", "samples_*.jsonl (--log_samples)"),
    ),
)
TABLES = (
    Format("Parquet", lambda seen: seen.magic == PARQUET, read_parquet, is_log=False),
    Format("CSV and TSV", lambda seen: seen.is_delimited, read_csv, is_log=False),
    Format("stillright's own JSONL", lambda seen: seen.one_per_line, read_jsonl, is_log=False),
    Format("JSON objects", lambda seen: not seen.is_folder, read_records, is_log=False),
)
FORMATS = (*TOTALS, *LOGS, *TABLES)
