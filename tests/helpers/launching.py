"""Several processes under accelerate launch."""

from __future__ import annotations

import os
import subprocess
import sys

PATIENCE = 600  # seconds: only so that what hangs ends, however slow and busy the machine


def launch(*command: str) -> subprocess.CompletedProcess[str]:
    """Two processes of `accelerate launch`, on CPU where there is nothing else, each with as many threads as this one:
    what they write is compared byte for byte, and more threads add in another order."""
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    return subprocess.run(
        [*launcher, "--main_process_port", "0", *command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
