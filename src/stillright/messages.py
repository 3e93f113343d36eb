"""A chat, which is a list of messages, as one text, so that prompts of any form are read and compared alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

NONE: Mapping[str, str] = {}
DEPTH = 4  # messages, their parts, and what a tool returned within one; a log may be nested without end


def chat_text(content: Any, attachments: Mapping[str, str] = NONE, depth: int = DEPTH) -> str | None:
    """Text as it is; of messages and their parts the texts, without roles; None where there is no text.

    attachments: long texts, by what stands for them after "attachment://".
    """
    if isinstance(content, str):
        return attachments.get(content.removeprefix("attachment://"), content)
    if not isinstance(content, list) or depth == 0:
        return None
    texts = (chat_text(_said(part), attachments, depth - 1) for part in content)
    return "\n\n".join(text for text in texts if text) or None


def _said(part: Any) -> Any:
    """What a message or a part of one says; a text in a list may be a whole chat in JSON, as chat endpoints get it."""
    if isinstance(part, dict):
        return part.get("content", part.get("text"))
    if isinstance(part, str) and part.startswith("[{"):
        try:
            return msgspec.json.decode(part, type=list[dict[str, Any]])
        except (msgspec.DecodeError, RecursionError):
            return part
    return part if isinstance(part, str) else None
