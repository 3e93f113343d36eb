"""Prompts and what follows them as token ids, from the harness's own tokenization: what is trained is what is scored.

Knows pairs of texts, not documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stillright.errors import DataError
from stillright.forward.trees import Ids
from stillright.upstream.lm_eval import Encoder, Request


def read_requests(requests: Sequence[Request], prefix_token_id: int) -> list[tuple[Ids, Ids]]:
    """Ids of prompt and continuation of the harness's requests.

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


def encode_pairs(pairs: Sequence[tuple[str, str]], tokenizer: Any) -> list[tuple[Ids, Ids]]:
    """Ids of each prompt and of what follows it. Raises DataError, see `read_requests`."""
    encoder = Encoder(tokenizer)
    return read_requests(encoder.requests(pairs), encoder.prefix_token_id)
