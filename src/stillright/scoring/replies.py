"""Asks for many replies at a time and keeps each in a JSONL file as it comes, so that an interrupted run resumes.

Knows keys and texts, not who replies.
"""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from stillright.errors import DataError
from stillright.jsonl import read_objects

Ask = Callable[[str], str]  # message -> reply


def read_replies(path: Path) -> dict[str, str]:
    """The replies kept in `path`, by key; none without a file.

    Cuts off half a line at the end, left by a run that was killed. Raises DataError if another line is not a reply.
    """
    if not path.exists():
        return {}
    os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
    replies = {}
    for number, value in read_objects(path):
        key, reply = value.get("key"), value.get("reply")
        if not isinstance(key, str) or not isinstance(reply, str):
            raise DataError(f"{path}:{number}: not a reply of a judge; each line must have a key and a reply")
        replies[key] = reply
    return replies


def _private(path: str, flags: int) -> int:
    """Opens a file that, where it is new, only its owner can read: endpoints repeat what they are sent."""
    return os.open(path, flags, 0o600)


def all_replies(messages: Mapping[str, str], ask: Ask, path: Path | None, concurrency: int) -> dict[str, str]:
    """The reply to each message, by its key; `ask` is called, in threads, only for keys that `path` does not hold.

    The first error of `ask` is raised when the calls under way have ended; what they return is kept.
    """
    replies: dict[str, str] = {}
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        replies = read_replies(path)
    missing = [key for key in messages if key not in replies]
    lock = threading.Lock()
    kept = io.StringIO() if path is None else open(path, "a", encoding="utf-8", opener=_private)  # noqa: SIM115 - closed below
    with kept as file, ThreadPoolExecutor(concurrency) as pool:

        def answer(key: str) -> None:
            replies[key] = ask(messages[key])
            with lock:
                file.write(json.dumps({"key": key, "reply": replies[key]}) + "\n")
                file.flush()

        futures = [pool.submit(answer, key) for key in missing]
        try:
            for future in as_completed(futures):
                future.result()
        finally:
            pool.shutdown(cancel_futures=True)
    return {key: replies[key] for key in messages}
