"""A made-up study whose results are written."""

from __future__ import annotations

import pytest

from stillright.cli import main
from study_case import STRATEGIES, Study

LOST = ("phi-to-100%", "piqa", "continue_ce", 1)
GONE = ("phi-to-100%", "sam_sum", "student_wrong")


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two updates x two tasks x three strategies x two seeds, of which three cells failed; results written."""
    made = Study(tmp_path_factory.mktemp("study"), STRATEGIES)
    made.fail(*LOST, reason="out of memory")
    for seed in (0, 1):
        made.fail(*GONE, seed, reason="50% of the_disk")
    made.write()
    assert main(["study-results", str(made.folder)]) == 0
    return made
