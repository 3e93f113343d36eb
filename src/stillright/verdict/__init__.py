"""Policy + results -> pass, fail or cannot tell."""

from stillright.verdict.verdict import EXIT_CODES, Check, Gated, Verdict, gate

__all__ = ["EXIT_CODES", "Check", "Gated", "Verdict", "gate"]
