"""Teacher caches of models in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from stillright.progress import Progress
from stillright.training.teachers.cache import CacheSpec, Readable, write_cache
from stillright.training.teachers.forms import Form, Hidden

HIDDEN = Hidden()


def cached(model: Any, texts: Sequence[Readable], folder: Path, form: Form = HIDDEN, vocabulary: int = 320) -> None:
    """Writes the cache of `model` on `texts`."""
    write_cache(model, CacheSpec(texts, {}, form, vocabulary), folder, Progress(Console(quiet=True)), "teacher")
