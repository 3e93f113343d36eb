"""What a browser would find in a page of HTML."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser

UNREAD = ("style", "script")  # whose content nobody reads


class Tags(HTMLParser):
    """Counts tags, and collects attributes, what is set to be the page's policy, and the text that people read."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.policy = ""
        self.text = ""
        self.paths: list[tuple[str, str]] = []  # class and shape of what is drawn
        self._within = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags[tag] += 1
        self.attributes |= values.keys()
        self._within = tag
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"]
        if tag == "path":
            self.paths.append((values.get("class", ""), values["d"]))

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within not in UNREAD:
            self.text += data
