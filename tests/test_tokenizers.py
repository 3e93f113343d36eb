"""When tokenizers are alike."""

from __future__ import annotations

import pytest

from stillright.errors import ModelError
from stillright.tokenizers import refuse_other_tokens, refuse_other_words, refuse_unknown_tokens
from stillright.training.text import Text


class Words:
    """A tokenizer that knows these words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [self.words[i] for i in ids]


def test_texts_are_the_same_tokens() -> None:
    refuse_other_tokens([[1, 2], [3]], [[1, 2], [3]], "one tokenizer")
    with pytest.raises(ModelError, match="^one tokenizer; those of old and new cut training text 1 differently$"):
        refuse_other_tokens([[1, 2], [3]], [[1, 2], [3, 4]], "one tokenizer")
    with pytest.raises(ModelError, match="training text 0"):  # the same tokens, of which others are scored
        refuse_other_tokens([Text([1, 2, 3], first=1)], [Text([1, 2, 3], first=2)], "one tokenizer")


def test_tokens_are_the_same_words() -> None:
    old, new = Words("a", "b", "c"), Words("a", "c", "c")
    refuse_other_words([0, 2], old, new)
    with pytest.raises(ModelError, match="^token 1 is 'b' for the old model and 'c' for the new one; .* must share a"):
        refuse_other_words([0, 1, 2], old, new)


def test_tokens_are_known_to_both() -> None:
    refuse_unknown_tokens([0, 7], 8)
    refuse_unknown_tokens([], 8)
    with pytest.raises(ModelError, match="token 8 is beyond the 8 that both models know"):
        refuse_unknown_tokens([8, 0], 8)
