"""Prompts and what follows them as token ids, from the harness's own tokenization: what is trained is what is scored.

Knows pairs of texts, not documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from stillright.errors import DataError
from stillright.forward.trees import Ids


def read_requests(requests: Sequence[Any], prefix_token_id: int) -> list[tuple[Ids, Ids]]:
    """Ids of prompt and continuation of the harness's requests ((texts), prompt, continuation).

    A prompt without tokens, such as a line end that the harness counts as part of the continuation, becomes what the
    harness uses for an empty prompt. Raises DataError for a continuation without tokens.
    """
    for (prompt, continuation), _, ids in requests:
        if not ids:
            raise DataError(
                f"answer {continuation!r}: has no token of its own after {prompt[-40:]!r}, as the tokenizer joins the "
                "two; put a delimiter between them"
            )
    return [(list(prompt) or [prefix_token_id], list(continuation)) for _, prompt, continuation in requests]


class _HarnessEncoder(HFLM):
    """The harness's tokenization without its model: `loglikelihood` returns the ids it would score."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.backend = "causal"
        self.add_bos_token = None
        self.custom_prefix_token_id = None
        self.enable_thinking = None

    def _loglikelihood_tokens(self, requests: Any, **_: Any) -> Any:
        return read_requests(requests, self.prefix_token_id)


def encode_pairs(pairs: Sequence[tuple[str, str]], tokenizer: Any) -> list[tuple[Ids, Ids]]:
    """Ids of each prompt and of what follows it. Raises DataError, see `read_requests`."""
    requests = [Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(pairs)]
    encoded: list[tuple[Ids, Ids]] = _HarnessEncoder(tokenizer).loglikelihood(requests, disable_tqdm=True)
    return encoded
