"""PredictionSets -> Comparison: pairing, then what changed.

pairing (the same samples side by side) -> tally (per-sample columns, resampled) -> flips (metrics) -> comparison (the
whole account, with slices, worst regressions and how far texts moved).
"""

from stillright.comparison.account import Account, Candidate, Side
from stillright.comparison.comparison import Comparison, Slice, compare
from stillright.comparison.flips import Flips
from stillright.comparison.pairing import judged

__all__ = ["Account", "Candidate", "Comparison", "Flips", "Side", "Slice", "compare", "judged"]
