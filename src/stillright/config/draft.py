"""A first update.yaml for files of rows, with a comment beside each key, as text for people to edit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stillright.errors import ConfigError


def draft_update(train: Path, test: Path, row: Mapping[str, Any]) -> str:
    """The YAML of an update for a task of the user's own; row: the first of `train`.

    Columns are taken by their values: the choices are a list, the answer is a number or a text that is no prompt.
    Raises ConfigError where none of them may be the prompt or the answer.
    """
    lists = [name for name, value in row.items() if isinstance(value, list)]
    texts = [name for name, value in row.items() if isinstance(value, str) and name != "id"]
    numbers = [name for name, value in row.items() if type(value) is int and name != "id"]
    answers = numbers if lists else texts[1:]
    if not texts or not answers:
        raise ConfigError(
            f"{train}: its first row has {', '.join(row) or 'nothing'}; a prompt is a text, an answer the number of a "
            "choice in a list, or a second text"
        )
    choices = f"\n  choices: {json.dumps(lists[0])}          # column with the list of choices" if lists else ""
    what = "number of the right choice, from 0" if lists else "the right text"
    return f"""\
# Keep the right answers of the old base while the new one replaces it. `stillright run --dry-run` says what it costs.
old: CHANGE-ME/old-base     # base[@revision][+adapter]: a hub id or a folder
new: CHANGE-ME/new-base
task:
  name: my-task
  train: {json.dumps(str(train))}     # JSONL, one object per row
  test: {json.dumps(str(test))}       # never trained on
  prompt: {json.dumps("{{" + texts[0] + "}}")}        # template over the columns: {", ".join(row)}{choices}
  answer: {json.dumps(answers[0])}    # column: {what}
# The defaults are those of the paper; small bases need less.
lora: {{r: 128, alpha: 256}}
training: {{epochs: 10, learning_rate: 1.0e-4, batch_size: 8, gradient_accumulation: 8}}
strategy: {{mask: auto}}      # as far towards old as validation allows
seed: 0
out: runs/my-task
"""
