"""The transfer, top to bottom: differences -> factors, layer by layer -> a share -> one adapter, and its account."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from torch import Tensor

from stillright import ranks
from stillright.models import ModelRef, load_model, load_tokenizer
from stillright.training.align import Validation
from stillright.training.memory import frees_memory
from stillright.training.settings import Job
from stillright.training.text import Text
from stillright.training.transfer.adapter import write_adapter
from stillright.training.transfer.differences import Differences
from stillright.training.transfer.layers import layer_factors
from stillright.training.transfer.moments import moments_of
from stillright.training.transfer.shares import best_share, tried_shares

ACCOUNT = "transfer.json"
READ_TEXTS = 512  # training texts, whose activations weigh the factors


class Settings(NamedTuple):
    """What is transferred."""

    rank: int
    share: float | None  # None: chosen on validation samples
    weighted: bool  # by what layers read of training texts


def transfer_adapter(
    old: ModelRef, new: ModelRef, settings: Settings, texts: list[Text], validation: Validation | None, job: Job
) -> None:
    """Writes the compat adapter of two task models of the same shapes to `job.out`; nothing is trained.

    texts: read where factors are weighted. validation: needed where the share is chosen.
    Raises ModelError where shapes or vocabularies differ.
    """
    differences = Differences(old, new)
    moments = _moments(new, differences.carried, texts, job) if settings.weighted else {}
    factors = layer_factors(differences, settings.rank, moments, job.work, job.progress, job.label)
    del moments
    share, chosen = settings.share, dict[str, Any]()
    if share is None:
        assert validation is not None
        tried = tried_shares(new, factors, validation, job)
        best, reason = best_share(tried)
        share, chosen = best.share, {"shares": [each._asdict() for each in tried], "reason": reason}
        job.progress.console.print(f"  {job.label}: share {share:g}: {reason}", highlight=False)
    kept = {name: each.kept for name, each in factors.items()}
    account = {**settings._asdict(), "share": share, **chosen, "left_out": differences.left_out(), "kept": kept}
    if ranks.is_main():
        write_adapter(differences.new, factors, share, job.out, differences.embedding)
        (job.out / ACCOUNT).write_text(json.dumps(account, indent=2) + "\n", encoding="utf-8")


@frees_memory
def _moments(new: ModelRef, modules: list[str], texts: list[Text], job: Job) -> dict[str, Tensor]:
    model = load_model(new, job.dtype).eval()
    pad = load_tokenizer(new.base).pad_token_id
    return moments_of(model, modules, [text.ids for text in texts[:READ_TEXTS]], pad, job.progress, job.label)
