"""The documentation site: `make docs` builds it from these pages, with every warning an error."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version as installed
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))
from reference import write_pages

project = "stillright"
author = copyright = "stillright contributors"  # noqa: A001 - the name that Sphinx reads
version = release = installed("stillright")
extensions = ["myst_parser"]
exclude_patterns = ["studies", "_build"]  # studies: files that a program wrote, to be read where they are
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "stillright"
html_copy_source = False
REPOSITORY = "https://github.com/stillright/stillright"
html_theme_options = {"source_repository": REPOSITORY, "source_branch": "main", "source_directory": "docs/"}


def _link_to_repository(app: Sphinx, name: str, source: list[str]) -> None:
    """Links to files that are no pages work in the repository; on the site they lead there."""
    source[0] = re.sub(r"\]\(\.\./([^)]*)\)", rf"]({REPOSITORY}/blob/main/\1)", source[0])
    source[0] = re.sub(r"\]\((studies/[^)]*\.(?:md|csv))\)", rf"]({REPOSITORY}/blob/main/docs/\1)", source[0])


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir) / "reference"))
    app.connect("source-read", _link_to_repository)
