"""Policy + results -> pass, fail or cannot tell.

A limit on too few samples, or whose metric is undefined, is not judged: it cannot tell. One failed check fails the
gate; without one, a check that cannot tell keeps it from passing.

check (one rule and its outcome); places, measures (what a limit is held against) -> limits, enough (power); must_pass,
nothing_right (other kinds of rules); verdict (all of them: gate), suite (of several tasks: gate_suite); draft (a first
policy).
"""

from stillright.verdict.check import Check
from stillright.verdict.suite import GatedSuite, gate_suite
from stillright.verdict.verdict import EXIT_CODES, Gated, Verdict, gate

__all__ = ["EXIT_CODES", "Check", "Gated", "GatedSuite", "Verdict", "gate", "gate_suite"]
