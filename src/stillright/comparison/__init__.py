"""Results of an old, a new and further models -> Comparison: what changed.

models (read, scored anew) -> pairing (the same samples side by side) -> tally (per-sample columns such as quadrants)
-> flips (metrics) -> account (one set of samples) -> comparison (with slices, worst regressions and how
alike the texts are).
"""

from stillright.comparison.account import Account, Candidate, ModelScore
from stillright.comparison.comparison import Comparison, Slice, compare
from stillright.comparison.flips import Flips

__all__ = ["Account", "Candidate", "Comparison", "Flips", "ModelScore", "Slice", "compare"]
