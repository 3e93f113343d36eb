"""When tokenizers are alike: on the texts at hand they give the same tokens, and a token is the same word.

Texts decide where they are known. Of rows that are tokens already, the words of those tokens do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stillright.errors import ModelError

MUST_SHARE = "the old and the new model must share a tokenizer"


def refuse_other_tokens(old: Sequence[Any], new: Sequence[Any], rule: str, what: str = "training text") -> None:
    """Raises ModelError, which begins with `rule`, for a text that is not the same tokens for both tokenizers.

    what: the texts are called.
    """
    for i, (a, b) in enumerate(zip(old, new, strict=True)):
        if a != b:
            raise ModelError(f"{rule}; those of old and new cut {what} {i} differently")


def refuse_other_words(tokens: Sequence[int], old: Any, new: Any) -> None:
    """Raises ModelError for a token that means other text in the tokenizer `old` than in `new`."""
    words = zip(tokens, *(tokenizer.convert_ids_to_tokens(tokens) for tokenizer in (old, new)), strict=True)
    for token, old_word, new_word in words:
        if old_word != new_word:
            raise ModelError(
                f"token {token} is {old_word!r} for the old model and {new_word!r} for the new one; {MUST_SHARE}"
            )


def refuse_unknown_tokens(tokens: Sequence[int], vocabulary: int) -> None:
    """Raises ModelError for a token beyond the `vocabulary` that old and new share."""
    if (last := max(tokens, default=-1)) >= vocabulary:
        raise ModelError(f"token {last} is beyond the {vocabulary} that both models know; {MUST_SHARE}")
