"""The strategy auto in a study: what is shared, and what a cell is said to cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from study_rows import Row, assert_row_is_what_its_files_say


def test_updates_to_one_base_share_what_the_labels_teach(
    values: dict[str, Any], run: Callable[..., tuple[int, list[Row]]], make_base: Callable[..., Path]
) -> None:
    """From a base of the same shapes and from one of others, at two ranks."""
    values["bases"]["like large"] = str(make_base(seed=3, hidden=24))
    values["updates"].append(["like large", "large"])
    values["strategies"] = {"auto": {}, "narrow": {"mask": "auto", "rank": 2}}
    code, rows = run(values)
    out = Path(values["out"])
    assert code == 0
    assert [(row["status"], row["method"]) for row in rows] == 4 * [("done", "auto")]
    for row in rows:
        assert_row_is_what_its_files_say(row, out)
    trained = [json.loads(file.read_text())["tokens"] for file in out.glob("store/fit-*/adapter/training.json")]
    assert len(trained) == 3 + 1  # the bases' task adapters, and one on the labels
    assert {int(row["tokens"]) for row in rows} < {*trained}
    accounts = [json.loads(file.read_text()) for file in out.glob("store/transfer-*/adapter/search.json")]
    assert sorted(account.get("rank", 0) for account in accounts) == [0, 0, 2, 128]
