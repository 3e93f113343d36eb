"""The YAML at the top of a card, which the Hub reads, and the ids in it."""

from __future__ import annotations

import re
from typing import Any

import yaml

from stillright.errors import DataError

BLOCK = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)(?:\r?\n)?^---[ \t]*$", re.DOTALL | re.MULTILINE)
PART = "[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
LONGEST = 96  # letters of an id, which the Hub does not take longer


def front_matter(text: str, source: str) -> tuple[str, dict[str, Any]]:
    """The YAML of a card as it stands there, and its values; both empty for a card without.

    source: what errors call the card. Raises DataError for YAML that is malformed, or no mapping.
    """
    found = BLOCK.match(text)
    if found is None:
        return "", {}
    try:
        values = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{source}: the YAML between its first two lines --- cannot be read ({reason})") from None
    if not isinstance(values, dict):
        raise DataError(f"{source}: the YAML between its first two lines --- is no mapping; write lines of KEY: VALUE")
    return found[1], values


def is_hub_id(text: str, needs_owner: bool = True) -> bool:
    """Whether a model or data set of the hub can have this name: OWNER/NAME, or of the first ones NAME alone."""
    owner = f"{PART}/" if needs_owner else f"(?:{PART}/)?"
    shaped = re.fullmatch(f"{owner}{PART}", text) is not None
    return shaped and len(text) <= LONGEST and not re.search(r"--|\.\.|\.git$", text)
