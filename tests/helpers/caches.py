"""Teacher caches of models in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from stillright.progress import Progress
from stillright.training.teachers.cache_writing import CacheSpec, write_cache
from stillright.training.teachers.forms import Form, Hidden
from stillright.training.text import Text

HIDDEN = Hidden()
IDS = [[5, 6, 7, 8], [9, 10], [11, 12, 13, 14, 15], [16, 17, 18]]
TEXTS = [Text(ids) for ids in IDS]


def cached(model: Any, texts: Sequence[Text], folder: Path, form: Form = HIDDEN, **spec: Any) -> None:
    """Writes the cache of `model` on `texts`; spec: other fields of CacheSpec."""
    spec = {"vocabulary": 320, **spec}
    write_cache(model, CacheSpec(texts, {}, form, **spec), folder, Progress(Console(quiet=True)), "teacher")
