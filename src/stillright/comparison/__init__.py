"""Results of an old, a new and further models -> Comparison: what changed.

models (read, scored anew) -> pairing (the same samples side by side) -> columns (per sample, such as quadrants) ->
tally (their means) -> flips (metrics) -> account (one set of samples) -> comparison (with slices, worst regressions and
how alike the texts are; attempts and reliable, of several runs; measures; margins); samples (every flip).

Several tasks: strata, clustered_strata (means with tasks as strata) -> across, measures_across (over all) -> suite.
settings: all that can be chosen, with defaults.
"""

from stillright.comparison.account import Account, Candidate, ModelScore
from stillright.comparison.comparison import Comparison, Slice, compare
from stillright.comparison.flips import Flips
from stillright.comparison.suite import SuiteComparison, compare_suite

__all__ = [
    "Account",
    "Candidate",
    "Comparison",
    "Flips",
    "ModelScore",
    "Slice",
    "SuiteComparison",
    "compare",
    "compare_suite",
]
