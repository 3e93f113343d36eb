"""How a report was made, in words: by what, when, and from what it was asked."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, NamedTuple

import yaml

from stillright.comparison import Comparison

LIBRARIES = ("stillright", "torch", "transformers", "trl", "peft", "accelerate", "lm-eval")  # that train and predict


class Origin(NamedTuple):
    """Who asked for a report. words: of the command, without its name; asked: what its files say, by what they are."""

    words: Sequence[str] = ()
    asked: Mapping[str, Mapping[str, Any]] = {}


def how_made(comparison: Comparison, origin: Origin) -> list[tuple[str, str]]:
    """What was compared and how, by which command, version and day."""
    command = [("command", shlex.join(["stillright", *origin.words]))] if origin.words else []
    asked = [(name, in_one_line(values)) for name, values in origin.asked.items()]
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    made_by = f"stillright {version('stillright')}, Python {platform.python_version()}"
    return [("compared", _settings(comparison)), *command, *asked, ("made by", made_by), ("date", now)]


def _settings(comparison: Comparison) -> str:
    """What decides the numbers, besides the files."""
    known = {
        "task": comparison.task,
        "metric": comparison.metric,
        "answers": "right or wrong" if comparison.kind == "discrete" else "scores",
        "samples joined by": comparison.joined_by,
        "missing samples": comparison.on_missing,
        "least change": f"{comparison.epsilon:g}" if comparison.epsilon else None,
        "allowed": ", ".join(comparison.allow) or None,
        "samples in clusters by": comparison.cluster,
        "p-values of slices": comparison.adjustment,
    }
    return "; ".join(f"{name}: {value}" for name, value in known.items() if value is not None)


def in_one_line(values: Mapping[str, Any]) -> str:
    """Settings as YAML without its outer braces: "mask: choice, temperature: 2.0"."""
    text = yaml.safe_dump(dict(values), default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6)
    return text.strip().removeprefix("{").removesuffix("}")


def versions() -> dict[str, str]:
    """Those of Python and of the libraries that train and predict, which have to be installed."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
