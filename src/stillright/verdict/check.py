"""One rule of a policy, and what became of it."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel

from stillright.stats import Estimate

Outcome = Literal["pass", "fail", "cannot tell", "error"]


class Check(BaseModel, frozen=True):
    """One rule of the policy on some samples, and its outcome; for limits also the numbers.

    tests: of a limit on a slice, on how many slices the policy has limits; p_adjusted: of the test that the true value
    keeps the limit, adjusted for as many (Holm), if the policy adjusts. failing, unscored: the ids in must_pass that
    new has wrong, and those of which it cannot be told.
    """

    name: str  # "nfr, upper end <= 0.03", with " where subject = law" for a slice
    outcome: Outcome
    reason: str
    metric: str | None = None
    estimate: Estimate | None = None
    held: float | None = None  # what was compared with the limit: an end of the interval, or the value
    n: int | None = None
    tests: int | None = None
    p_adjusted: float | None = None
    failing: tuple[str, ...] = ()
    unscored: tuple[str, ...] = ()

    @property
    def lasting_name(self) -> str:
        """The name without the limit's value, by which systems that keep a history know the check again."""
        return re.sub(r"([<>]=) \S+", r"\1 limit", self.name, count=1)
