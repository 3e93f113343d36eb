"""Second moments of what linear layers read, over texts: where a change of their weights is felt."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from stillright.progress import Progress
from stillright.training.text import batches


@torch.no_grad()
def moments_of(
    model: Any, layers: list[str], texts: list[list[int]], pad: int, progress: Progress, label: str
) -> dict[str, Tensor]:
    """Layer -> (in, in) mean of x x' over all tokens of `texts`, in float32, on the CPU.

    model: base or PeftModel. Layers that read the same tensor share one result.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    sums: dict[str, Tensor] = {}
    same: dict[str, str] = {}
    state: dict[str, Any] = {}

    def reads(name: str) -> Any:
        def hook(_: Any, args: tuple[Tensor, ...]) -> None:
            last, reader = state["last"]
            if same.setdefault(name, reader if args[0] is last else name) != name:
                return
            state["last"] = args[0], name  # held, so that no other tensor takes its identity
            rows = args[0][state["mask"]].float()
            sums[name] = (rows.mT @ rows).cpu() + sums.get(name, 0)

        return hook

    hooks = [base.get_submodule(name).register_forward_pre_hook(reads(name)) for name in layers]
    try:
        with progress.bar(f"{label}, activations", sum(map(len, texts))) as bar:
            for batch in batches([len(ids) for ids in texts]):
                rows = [texts[i] for i in batch]
                longest = max(map(len, rows))
                ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows], device=base.device)
                mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=base.device)
                state.update(last=(None, ""), mask=mask.bool())
                base.base_model(input_ids=ids, attention_mask=mask, use_cache=False)
                bar.advance(tokens=sum(map(len, rows)))
    finally:
        for hook in hooks:
            hook.remove()
    tokens = sum(map(len, texts))
    return {name: sums[same[name]] / tokens for name in layers}
