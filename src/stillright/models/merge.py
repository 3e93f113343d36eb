"""An adapter in the weights of its base: an ordinary checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillright.errors import ModelError
from stillright.models.load import load_model, load_tokenizer
from stillright.models.ref import ModelRef

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel


def merged(model: PeftModel) -> PreTrainedModel:
    """The base of `model` with the adapter in its weights; `model` is used up.

    Where the adapter changes an embedding and a head that share one weight, the head gets a weight of its own first:
    PEFT alone would add both changes to the one.
    """
    base = model.get_base_model()
    tables = [getattr(table, "base_layer", table) for table in _tables(base)]
    if tables[0].weight is tables[1].weight and any(hasattr(table, "base_layer") for table in _tables(base)):
        import torch

        tables[1].weight = torch.nn.Parameter(tables[1].weight.detach().clone(), requires_grad=False)
        base.config.tie_word_embeddings = False
    whole: PreTrainedModel = model.merge_and_unload()
    return whole


def write_merged(ref: ModelRef, dtype: torch.dtype, out: Path) -> None:
    """Writes the checkpoint of a model with an adapter, and its tokenizer. Raises ModelError."""
    if ref.adapter is None:
        raise ModelError(f"model {ref}: has no adapter to merge; give {ref}+ADAPTER")
    if out.exists() and any(out.iterdir()):
        raise ModelError(f"--out {out}: is not empty; give a new folder")
    merged(load_model(ref, dtype)).save_pretrained(out)
    load_tokenizer(ref.base).save_pretrained(out)


def _tables(base: Any) -> tuple[Any, Any]:
    return base.get_input_embeddings(), base.get_output_embeddings()
