"""What configurations say of bases; no weights are read."""

from __future__ import annotations

from collections.abc import Iterable

from stillright.models.load import load_config
from stillright.models.ref import Source


def vocabulary_size(source: Source) -> int:
    """Number of vocabulary entries of a base's head, padding included. Raises ModelError."""
    return int(load_config(source).get_text_config().vocab_size)


def shared_vocabulary(sources: Iterable[Source]) -> int:
    """Number of the first vocabulary entries that all of these bases have; one may be padded further."""
    return min(map(vocabulary_size, sources))


def longest_text(sources: Iterable[Source], wanted: int) -> int:
    """The tokens, `wanted` at most, that all of these bases read. Raises ModelError."""
    limits = [getattr(load_config(source).get_text_config(), "max_position_embeddings", None) for source in sources]
    return min([wanted, *map(int, filter(None, limits))])  # states and biases by distance have no limit
