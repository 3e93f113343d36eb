"""The benchmarks still run, and write what their readers expect; their figures are judged by nobody here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from places import ROOT
from samples import environment

BENCHMARKS = ROOT / "benchmarks"


def test_alignment_beside_plain_fine_tuning(tmp_path: Path) -> None:
    file = tmp_path / "speed.json"
    command = [sys.executable, str(BENCHMARKS / "align_speed.py"), "--steps", "2", "--sides", "sft,cached"]
    done = subprocess.run([*command, "--json", str(file)], capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    found = {side["name"]: side for side in json.loads(file.read_text())}
    assert list(found) == ["sft", "cached"]
    assert all(side["tokens_per_s"] > 0 and side["peak_mb"] > 0 for side in found.values())
    assert found["cached"]["caching_tokens_per_s"] > 0
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == ["sft", "cached"]
