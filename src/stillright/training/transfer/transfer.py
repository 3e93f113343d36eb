"""The transfer, top to bottom: differences -> factors, module by module -> one adapter, and its account."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from torch import Tensor

from stillright import ranks
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.training.memory import frees_memory
from stillright.training.settings import Job
from stillright.training.text import Text
from stillright.training.transfer.adapter import write_adapter
from stillright.training.transfer.differences import Differences
from stillright.training.transfer.factors import Factors
from stillright.training.transfer.layers import layer_factors
from stillright.training.transfer.moments import moments_of
from stillright.training.transfer.weights import AdapterWeights, Change

ACCOUNT = "transfer.json"
READ_TEXTS = 512  # training texts, whose activations weigh the factors


class Settings(NamedTuple):
    """What is transferred."""

    rank: int
    weighted: bool  # by what layers read of training texts


class Transferred(NamedTuple):
    """What leads from new to old, and how much of it that is."""

    factors: dict[str, Factors]
    embedding: str  # which of the modules is one
    account: dict[str, Any]

    @property
    def changes(self) -> dict[str, Change]:
        return {name: each.change for name, each in self.factors.items()}


def transferred(old: ModelRef, new: ModelRef, settings: Settings, texts: list[Text], job: Job) -> Transferred:
    """The changes that lead from one task model to another of the same shapes, at a low rank.

    texts: read where factors are weighted. Raises ModelError where shapes or vocabularies differ.
    """
    differences = Differences(old, new)
    moments = _moments(new, differences.carried, texts, job) if settings.weighted else {}
    factors = layer_factors(differences, settings.rank, moments, job.work, job.progress, job.label)
    kept = {name: each.kept for name, each in factors.items()}
    account = {**settings._asdict(), "left_out": differences.left_out(), "kept": kept}
    return Transferred(factors, differences.embedding, account)


def transfer_adapter(
    old: ModelRef, new: ModelRef, settings: Settings, share: float, texts: list[Text], job: Job
) -> None:
    """Writes the new adapter with a share of what leads to old to `job.out`, and its account; nothing is trained."""
    found = transferred(old, new, settings, texts, job)
    parts = [(1.0, AdapterWeights(new.adapter).changes), (share, found.changes)]
    if ranks.is_main():
        write_adapter(new.base, parts, job.out, found.embedding)
        (job.out / ACCOUNT).write_text(json.dumps({"share": share, **found.account}, indent=2) + "\n", encoding="utf-8")


@frees_memory
def _moments(new: ModelRef, modules: list[str], texts: list[Text], job: Job) -> dict[str, Tensor]:
    model = load_model(new, job.dtype).eval()
    pad = load_tokenizer(new.base).pad_token_id
    return moments_of(model, modules, [text.ids for text in texts[:READ_TEXTS]], pad, job.progress, job.label)
