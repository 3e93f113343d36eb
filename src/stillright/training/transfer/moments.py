"""Second moments of what modules read, over texts: where a change of their weights is felt."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from stillright.progress import Progress
from stillright.training.text import batches
from stillright.upstream.peft import without_adapter


@torch.no_grad()
def moments_of(
    model: Any, modules: list[str], texts: list[list[int]], pad: int, progress: Progress, label: str
) -> dict[str, Tensor]:
    """Module -> (in, in) mean of x x' over what it reads of all tokens of `texts`, in float32, on the CPU.

    model: base or PeftModel. Modules that read the same tensor share one result. Of an embedding: (V,), how often each
    token is read, plus one.
    """
    base = without_adapter(model)
    sums = _Sums()
    embedding, head = ([name for name in modules if base.get_submodule(name) is table] for table in _tables(base))
    layers = [name for name in modules if name not in (*embedding, *head)]
    hooks = [base.get_submodule(name).register_forward_pre_hook(sums.reader(name)) for name in layers]
    try:
        with progress.bar(f"{label}, activations", sum(map(len, texts))) as bar:
            for batch in batches([len(ids) for ids in texts], base.device):
                rows = [texts[i] for i in batch]
                ids, mask = (values.to(base.device) for values in _padded(rows, pad))
                sums.start(mask.bool())
                states = base.base_model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
                for name in head:
                    sums.add(name, states)
                bar.advance(tokens=sum(map(len, rows)))
    finally:
        for hook in hooks:
            hook.remove()
    tokens = torch.tensor([i for ids in texts for i in ids])
    read = {
        name: torch.bincount(tokens, minlength=base.config.get_text_config().vocab_size) + 1.0 for name in embedding
    }
    return {**sums.means(len(tokens), [*layers, *head]), **read}


class _Sums:
    """Of x x' over the rows that a mask keeps; one for all modules that read the same tensor."""

    def __init__(self) -> None:
        self.of: dict[str, Tensor] = {}
        self.same: dict[str, str] = {}  # module -> the first that reads the same tensor

    def start(self, mask: Tensor) -> None:
        """A batch: mask (B, L) bool."""
        self.mask = mask
        self.last: tuple[Tensor | None, str] = None, ""

    def reader(self, name: str) -> Any:
        """A hook of the module before its forward."""

        def hook(_: Any, args: tuple[Tensor, ...]) -> None:
            last, reader = self.last
            if self.same.setdefault(name, reader if args[0] is last else name) != name:
                return
            self.last = args[0], name  # held, so that no other tensor takes its identity
            self.add(name, args[0])

        return hook

    def add(self, name: str, inputs: Tensor) -> None:
        """inputs: (B, L, in)."""
        rows = inputs[self.mask].float()
        self.of[name] = (rows.mT @ rows).cpu() + self.of.get(name, 0)

    def means(self, tokens: int, names: list[str]) -> dict[str, Tensor]:
        return {name: self.of[self.same.get(name, name)] / tokens for name in names}


def _tables(base: Any) -> tuple[Any, Any]:
    return base.get_input_embeddings(), base.get_output_embeddings()


def _padded(rows: list[list[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Ids and mask (B, L), padded on the right."""
    longest = max(map(len, rows))
    ids = [[*row, *[pad] * (longest - len(row))] for row in rows]
    mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
    return torch.tensor(ids), torch.tensor(mask)
