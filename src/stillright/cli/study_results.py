"""The command study-results: tables, figures and findings of a study that has run."""

from __future__ import annotations

import argparse
from typing import Any

from stillright.cli.command import command, console
from stillright.cli.paths import path


def _study_results(args: argparse.Namespace) -> int:
    from stillright.paper import write_results

    written = write_results(args.out)
    console(args).print(
        f"wrote {len(written)} files: {args.out}/tables, figures, findings.md, findings.csv", soft_wrap=True
    )
    return 0


def add_study_results_command(commands: Any) -> None:
    """Adds study-results."""
    parser = command(
        commands,
        "study-results",
        _study_results,
        "make the tables, figures and findings of a study from its cells.csv and predictions",
        "stillright study-results runs/paper",
    )
    parser.add_argument("out", type=path, metavar="OUT", help="the folder of the study, with cells.csv in it")
