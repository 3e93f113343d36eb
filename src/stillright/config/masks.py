"""The names of the strategies, and what settings, costs and stages must know of them without loading torch.

The rules behind the names are in `training`; a test keeps the two equal.
"""

from __future__ import annotations

from typing import Literal

TokenMask = Literal[
    "student_wrong",
    "old_right",
    "old_only",
    "token_likelihood",
    "sequence_likelihood",
    "focal",
    "new_only",
    "mixture",
]
ChoiceMask = Literal["choice", "choice_mixture", "choice_ce"]  # distils over the choices of a sample, not over tokens
WeightMask = Literal["transfer"]  # moves weights, and trains nothing
SearchMask = Literal["auto"]  # goes from new in several directions, as far as validation allows
AnswerMask = Literal["old_answers"]  # trains on the texts of old's right answers, by cross-entropy
Mask = Literal[TokenMask, ChoiceMask, WeightMask, AnswerMask, SearchMask]

NEED_NO_LABEL: tuple[Mask, ...] = ("old_only", "new_only", "mixture", "choice_mixture")  # never read the right answer
MIXED: tuple[Mask, ...] = ("mixture",)  # teaches the mean of both distributions over tokens, so it needs them whole
# trained by cross-entropy, whatever ce_weight is; of the teachers only old is asked, for the log
LABELS_ALONE: tuple[Mask, ...] = ("choice_ce",)
# what can be made where the old model is gone and a log of its answers is left
FROM_ANSWERS: tuple[Mask, ...] = ("choice", "choice_mixture", "choice_ce", "old_answers")
