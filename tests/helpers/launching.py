"""Several processes under accelerate launch."""

from __future__ import annotations

import os
import subprocess
import sys

PATIENCE = 600  # seconds: only so that what hangs ends, however slow and busy the machine


def launch(*command: str) -> subprocess.CompletedProcess[str]:
    """Two processes of `accelerate launch`, on CPU where there is nothing else."""
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    return subprocess.run(
        [*launcher, "--main_process_port", "0", *command],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
