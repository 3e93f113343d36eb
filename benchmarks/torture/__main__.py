"""Kills, damages, faults and mutated inputs by the thousand: nothing may be lost, wrong or end in a traceback.

Prints a table, and a line with its seed for every fault; ends with 1 where there is any. The same seed tries the same.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
os.environ |= {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}  # before they are read

from torture.damage import damages
from torture.inputs import SHARES, judged, mutated
from torture.jobs import MATRIX, RUN
from torture.kills import kills, undisturbed
from torture.table import Tally, faults, table

JUDGED = 500  # inputs that were read as other values


def main() -> int:
    """Tries what the arguments say and returns the exit code."""
    args = parsed()
    tallies = []
    try:
        for tally in tried(args):
            tallies.append(tally)
            print(f"{table([tally])}\n{faults([tally])}", flush=True)
    finally:
        print(f"\nseed {args.seed}\n{table(tallies)}\n{faults(tallies)}")
    if interrupts := [seconds for tally in tallies for seconds in tally.interrupts]:
        load = os.getloadavg()[0]
        print(f"SIGINT: {len(interrupts)} ended within {max(interrupts):.2f} s, at a load of {load:.1f}")
    return int(any(tally.failed for tally in tallies))


def parsed() -> argparse.Namespace:
    """The arguments; by default everything."""
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    for name, default, meaning in (
        ("seed", 0, "of everything"),
        ("kills", 940, "signals to run and study in forked processes"),
        ("commands", 60, "signals to run and study as commands"),
        ("damages", 1000, "kinds of damage and faults, at most"),
        ("inputs", 1_000_000, "mutated logs, policies and configurations"),
        ("workers", os.cpu_count() or 1, "processes at a time"),
    ):
        parser.add_argument(
            f"--{name}", type=int, default=default, metavar="N", help=f"{meaning} (default: {default:,})"
        )
    return parser.parse_args()


def tried(args: argparse.Namespace) -> Iterator[Tally]:
    """The tally of each part when it is done."""
    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        folder = Path(name)
        jobs = [RUN, MATRIX] if args.kills or args.commands else [RUN] if args.damages else []
        known = [undisturbed(job, folder / job.name) for job in jobs]
        for i, each in enumerate(known if args.commands else []):
            yield kills("commands", each, folder, args.seed, (args.commands + 1 - i) // 2, args.workers)
        if args.damages:
            yield damages(known[0], folder / RUN.name / "command" / "out", folder, args.damages, args.workers)
        for i, each in enumerate(known if args.kills else []):
            yield kills("forked", each, folder, args.seed, (args.kills + 1 - i) // 2, args.workers)
    for part, share in SHARES.items():
        yield (tally := mutated(part, args.seed, int(args.inputs * share), args.workers))
        yield judged(part, args.seed, tally.cases, int(JUDGED * share))


if __name__ == "__main__":
    sys.exit(main())
