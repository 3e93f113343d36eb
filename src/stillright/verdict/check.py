"""One rule of a policy, and what became of it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from stillright.stats import Estimate

Outcome = Literal["pass", "fail", "cannot tell", "error"]


class Check(BaseModel, frozen=True):
    """One rule of the policy on some samples, and its outcome; for limits also the numbers.

    tests: of a limit on a slice or a task, on how many the policy has limits; p_adjusted: of the test that the true
    value keeps the limit, adjusted for as many (Holm), if the policy adjusts. failing, unscored: the ids in must_pass
    that new has wrong, and those of which it cannot be told.
    """

    name: str  # "nfr, upper end <= 0.03", with " where subject = law" for a slice, " in law" for a task
    outcome: Outcome
    reason: str
    rule: str | None = None  # the name without the number, which stays if the limit changes
    task: str | None = None  # of a suite
    metric: str | None = None
    estimate: Estimate | None = None
    held: float | None = None  # what was compared with the limit: an end of the interval, or the value
    n: int | None = None
    tests: int | None = None
    p_adjusted: float | None = None
    failing: tuple[str, ...] = ()
    unscored: tuple[str, ...] = ()
