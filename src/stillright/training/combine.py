"""Adapters made without training: the old one on the new base, and a mixture of two."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from stillright.errors import ModelError
from stillright.models import ModelRef, Source, load_model, load_skeleton

if TYPE_CHECKING:
    import torch


def carry(old: ModelRef, base: Source, out: Path) -> None:
    """Writes the adapter of a model as one for another base of the same shapes."""
    assert old.adapter is not None
    adapter = Path(old.adapter.location)
    out.mkdir()
    shutil.copy(adapter / "adapter_model.safetensors", out)
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    config |= {"base_model_name_or_path": base.location, "revision": base.revision}
    (out / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def refuse_other_shapes(old: Source, new: Source) -> None:
    """Raises ModelError where an adapter of `old` does not fit `new`. Loads no weights."""
    shapes, others = _linear_shapes(old), _linear_shapes(new)
    for name in sorted(shapes.keys() | others.keys()):
        if shapes.get(name) != others.get(name):
            raise ModelError(
                f"base {new}: the old adapter does not fit it: {name} is {_shown(others.get(name))}, "
                f"in {old} {_shown(shapes.get(name))}"
            )


def _linear_shapes(base: Source) -> dict[str, tuple[int, ...]]:
    """Shapes (out, in) of the layers that take adapters, by name."""
    model = load_skeleton(base)
    head = model.get_output_embeddings()
    return {
        name: tuple(module.weight.shape)
        for name, module in model.named_modules()
        if type(module).__name__ in ("Linear", "Conv1D") and module is not head
    }


def _shown(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else " x ".join(map(str, shape))


def interpolate(new: ModelRef, compat: ModelRef, weight: float, dtype: torch.dtype, out: Path) -> None:
    """Writes the adapter whose change of every layer is (1 - weight) * new's + weight * compat's.

    Exact, since the A and B of both are kept side by side: the rank is the sum of theirs. Mixing A with A and B with B
    would add products of one's A with the other's B.
    """
    assert compat.adapter is not None
    model = load_model(new, dtype)
    model.load_adapter(compat.adapter.location, "compat")
    model.add_weighted_adapter(["default", "compat"], [1 - weight, weight], "mixed", combination_type="cat")
    model.save_pretrained(out, selected_adapters=["mixed"])
    for file in (out / "mixed").iterdir():
        file.replace(out / file.name)
    (out / "mixed").rmdir()
