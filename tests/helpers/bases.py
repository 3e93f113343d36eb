"""Changes to bases on disk."""

from __future__ import annotations

import json
from pathlib import Path


def cut_differently(base: Path) -> Path:
    """The same base with a tokenizer that lacks merges."""
    file = base / "tokenizer.json"
    content = json.loads(file.read_text())
    content["model"]["merges"] = content["model"]["merges"][:10]
    file.write_text(json.dumps(content))
    return base
