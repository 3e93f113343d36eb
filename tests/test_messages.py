"""Chats as one text."""

from __future__ import annotations

from typing import Any

import pytest

from stillright.messages import chat_text

NESTED: Any = "deep"
for _ in range(5_000):
    NESTED = [{"content": NESTED}]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        ([{"role": "system", "content": "a"}, {"role": "user", "content": "b"}], "a\n\nb"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image", "image": "x"}]}], "a"),
        (['[{"role": "user", "content": "a"}]'], "a"),
        (["[{broken"], "[{broken"),
        ([{"content": "attachment://k"}], "kept"),
        ([], None),
        ([1, None, []], None),
        (5, None),
        (NESTED, None),
    ],
)
def test_text_of_a_chat(content: Any, text: str | None) -> None:
    assert chat_text(content, {"k": "kept"}) == text
