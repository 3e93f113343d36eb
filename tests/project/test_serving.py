"""docs/serving.md: its lines load an adapter as it was evaluated, its ranks are the defaults', its gate sees flips."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bases import adapted
from logs import harness_log, harness_results
from places import ROOT
from stillright.cli import main
from stillright.config import LoraConfig, StrategyConfig

DOCS = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
GATE = next(re.finditer(r"^ *stillright (gate .*)$", DOCS, flags=re.MULTILINE))[1].split()
STRICT, TOLERANT = re.findall(r"^```yaml\n(# served.yaml.*?)^```$", DOCS, flags=re.DOTALL | re.MULTILINE)
VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what --max-lora-rank takes


def write_log(name: str, n: int, wrong: int) -> None:
    """A log in which the first `wrong` answers are."""
    folder = Path("logs", name)
    harness_log(folder, "piqa", [float(i >= wrong) for i in range(n)])
    harness_results(folder, ["piqa"], model_name=name)


@pytest.mark.parametrize(
    ("n", "flips", "strict", "tolerant"),
    [(381, 0, 0, 0), (380, 0, 3, 3), (1000, 1, 1, 0), (1000, 3, 1, 0), (1000, 60, 1, 1)],
)
def test_the_gate_sees_flips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int, flips: int, strict: int, tolerant: int
) -> None:
    """Wilson: the 95 % interval of 0 of n ends at z^2 / (n + z^2), with z = 1.96: 1.0 % at n = 381; of 3 of 1000 at
    0.9 %. Exit codes: 0 pass, 1 fail, 3 cannot tell."""
    monkeypatch.chdir(tmp_path)
    write_log("evaluated", n, 0)
    write_log("served", n, flips)
    for policy, code in ((STRICT, strict), (TOLERANT, tolerant)):
        Path("served.yaml").write_text(policy)
        assert main(GATE) == code
    assert len(Path("served-flips.jsonl").read_text().splitlines()) == n


@pytest.mark.parametrize(("writer", "kinds"), [("`fit`", (1, 0)), ("`transfer`", (1, 1)), ("`auto`", (2, 1))])
def test_ranks_are_those_of_the_defaults(writer: str, kinds: tuple[int, int]) -> None:
    """A sum of adapters has the sum of their ranks; vLLM is told the next rank that it takes."""
    row = next(line for line in DOCS.splitlines() if line.startswith(f"| {writer}"))
    rank = kinds[0] * LoraConfig().r + kinds[1] * StrategyConfig().rank
    assert f": {rank} |" in row
    allowed = min(each for each in VLLM_RANKS if each >= rank)
    said = " ".join(DOCS.split())
    assert f"{allowed} for {writer}" in said or f"--max-lora-rank {allowed} --lora-modules" in said


def test_the_lines_load_an_adapter_as_it_is_evaluated(make_base: Callable[..., Path], tmp_path: Path) -> None:
    import torch

    from stillright.models import load_model

    base = make_base(seed=1)
    ref = adapted(base, 2, tmp_path / "adapter")
    lines = next(re.finditer(r"^```python\n(.*?)^```$", DOCS, flags=re.DOTALL | re.MULTILINE))[1]
    found: dict[str, Any] = {}
    exec(lines.replace('"BASE"', repr(str(base))).replace('"ADAPTER"', repr(str(tmp_path / "adapter"))), found)
    ids = torch.arange(5, 25)[None]
    evaluated = load_model(ref, torch.bfloat16, adapter_in_float32=False).eval()
    assert torch.equal(found["model"](ids).logits, evaluated(ids).logits)
    with found["model"].disable_adapter():
        assert not torch.equal(found["model"](ids).logits, evaluated(ids).logits)
