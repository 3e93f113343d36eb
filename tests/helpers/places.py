"""Where the project and its sample logs are."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
LOGS = ROOT / "tests" / "logs"
