"""Makes tests/logs/every_eval_ever/ by converting tests/logs/harness with every_eval_ever's own converter, offline.

    pip install every-eval-ever==0.3.0
    python scripts/logs/every_eval_ever_logs.py [OUT]

The converter wants a model of the form MAKER/NAME, so each log is converted as one of harbour/tiny.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

LOGS = Path(__file__).parents[2] / "tests" / "logs"
OUT = LOGS / "every_eval_ever"


def convert(log: str, out: Path) -> None:
    """The samples of a log, and what is said of the run, under the name of the log."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "log"
        shutil.copytree(LOGS / "harness" / log, source)
        for results in source.rglob("*_2026*.json"):
            text = results.read_text()
            for name in ("/tmp/stillright-logs/harness/tiny-llama", "canned"):
                text = text.replace(f'"pretrained": "{name}"', '"pretrained": "harbour/tiny"')
            results.write_text(text)
        command = [sys.executable, "-m", "every_eval_ever.converters.lm_eval", "--log_path", str(source)]
        more = ["--output_dir", f"{folder}/data", "--source_organization_name", "harbour", "--include_samples"]
        subprocess.run([*command, *more], check=True)
        for made in Path(folder, "data").rglob("*.json*"):
            samples = "_samples" if made.suffix == ".jsonl" else ""
            shutil.copyfile(made, out / f"{log}{samples}{made.suffix}")


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    target.mkdir(parents=True, exist_ok=True)
    for each in ("choice", "gsm8k"):
        convert(each, target)
