"""Kills a run twice with SIGKILL, while a teacher is cached and while the compat adapter is trained, resumes it each
time, and compares its weights with those of a run that nothing interrupted."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stillright.digest import folder_digest

MOMENTS = {  # what a run has written in its working folders when it is killed
    "caching": "teach-old-*/outputs/batches-done/*",
    "alignment": "align-*/checkpoints/checkpoint-*/trainer_state.json",
}
RESULTS = (*(f"adapters/{name}/adapter_model.safetensors" for name in ("old", "new", "compat")), ".stillright/teachers")
LOOK_AGAIN = 0.01  # seconds


def command(args: argparse.Namespace, out: Path) -> list[str]:
    """The run, into another folder."""
    settings = [word for setting in (*args.set, f"out={out}") for word in ("--set", setting)]
    return [sys.executable, "-m", "stillright", "run", str(args.update), *settings]


def kill_at(moment: str, args: argparse.Namespace, out: Path) -> None:
    """Starts or resumes the run, and kills it as soon as it has written what belongs to `moment`."""
    with subprocess.Popen(command(args, out), stdout=subprocess.DEVNULL, start_new_session=True) as run:
        work = out / ".stillright" / "work"
        seen: list[Path] = []
        while not seen and run.poll() is None:
            time.sleep(LOOK_AGAIN)
            seen = [path for path in work.glob(MOMENTS[moment]) if "checkpoint-0" not in path.parts]
        if run.poll() is not None:
            raise SystemExit(f"{moment}: the run ended with {run.returncode} before it could be killed")
        os.killpg(run.pid, signal.SIGKILL)
    print(f"killed in {moment}, after {seen[0].relative_to(out)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=" ".join((__doc__ or "").split()))
    parser.add_argument("update", type=Path, metavar="UPDATE.YAML")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of stillright run")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        unbroken, broken = Path(folder) / "unbroken", Path(folder) / "broken"
        subprocess.run(command(args, unbroken), check=True, stdout=subprocess.DEVNULL)
        for moment in MOMENTS:
            kill_at(moment, args, broken)
        subprocess.run(command(args, broken), check=True, stdout=subprocess.DEVNULL)
        pairs = [[folder_digest(out / name) for out in (unbroken, broken)] for name in RESULTS]
    for name, (expected, found) in zip(RESULTS, pairs, strict=True):
        print(
            f"{name}: {expected[:16]} unbroken, {found[:16]} resumed: {'equal' if expected == found else 'DIFFERENT'}"
        )
    sys.exit(any(expected != found for expected, found in pairs))


if __name__ == "__main__":
    main()
