"""Where the time of an alignment step goes, and how far it is from the device's rate of matrix products."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from transformers import PrinterCallback, TrainerCallback

from align_sides import SIDES, Setting

SKIPPED, PROFILED = 3, 3  # steps
KINDS = {
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "mkldnn::", "aten::_addmm"),
    "copies and casts": ("aten::copy_", "aten::clone", "aten::cat", "aten::index", "aten::_to_copy", "aten::fill_"),
    "attention": ("aten::_scaled_dot_product", "aten::_flash_attention", "aten::_efficient_attention"),
}
SIDE = 2048  # of the matrices whose product gives the rate


class Window(TrainerCallback):
    """Profiles some steps in the middle of a training."""

    def __init__(self) -> None:
        self.profiler = profile(activities=[ProfilerActivity.CPU], with_flops=True)
        self.marks: list[tuple[float, int]] = []  # seconds, tokens

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == SKIPPED:
            self.marks.append((time.perf_counter(), int(state.num_input_tokens_seen)))
            self.profiler.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == SKIPPED + PROFILED:
            self.profiler.stop()
            self.marks.append((time.perf_counter(), int(state.num_input_tokens_seen)))


def shares(profiler: Any) -> dict[str, float]:
    """The part of each kind in the time that operations take themselves."""
    spent: Counter[str] = Counter()
    for event in profiler.key_averages():
        kind = next((kind for kind, names in KINDS.items() if event.key.startswith(names)), "small operations")
        spent[kind] += event.self_cpu_time_total
    return {kind: time / spent.total() for kind, time in spent.most_common()}


def product_rate(dtype: torch.dtype, seconds: float = 2.0) -> float:
    """Operations per second of a matrix product."""
    a, b = (torch.randn(SIDE, SIDE).to(dtype) for _ in range(2))
    a @ b
    start, products = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        a @ b
        products += 1
    return 2 * SIDE**3 * products / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, help="folder of a base to use as old and new (default: the demo's bases)")
    parser.add_argument("--rank", type=int, default=16, help="of the adapters (default: %(default)s)")
    args = parser.parse_args()
    args.old, args.steps = None, SKIPPED + PROFILED + 1
    with tempfile.TemporaryDirectory() as work:
        setting = Setting(args, Path(work))
        trainer, _ = SIDES["cached"](setting)
        window = Window()
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(window)
        trainer.train()
    (start, before), (end, after) = window.marks
    tokens, seconds, peak = after - before, end - start, product_rate(setting.dtype)
    flops = sum(event.flops for event in window.profiler.key_averages())  # attention is not counted
    for kind, share in shares(window.profiler).items():
        print(f"{kind:18}{share:6.0%}")
    print(
        f"{tokens / seconds:,.0f} tokens/s (profiled) of {flops / tokens / 1e9:.2f} GFLOP: "
        f"{flops / seconds / 1e12:.2f} TFLOP/s"
    )
    print(f"a product of {SIDE:,} cubed in {setting.dtype}: {peak / 1e12:.2f} TFLOP/s")
    print(f"the step reaches {flops / seconds / peak:.0%} of that")


if __name__ == "__main__":
    main()
