"""Optional packages. Knows which extra installs one, not what it computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stillright.errors import MissingExtra


@contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
    """Around the import of a package. Raises MissingExtra, naming what needs it and how to install it, without it."""
    try:
        yield
    except ImportError as error:
        raise MissingExtra(
            f"{what} needs a package that cannot be imported ({error}); "
            f"install it with: pip install 'stillright[{extra}]'"
        ) from None
