"""What processes share, and in which order they read; tests/test_launch.py lets several run."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from stillright import ranks
from stillright.config import TrainingConfig
from stillright.training.order import AgreedSampler, longest_first
from stillright.training.settings import optimizer_steps, warmup_steps
from stillright.upstream.accelerate import texts_read_once


def act_as(monkeypatch: pytest.MonkeyPatch, rank: int, world: int, on_a_node: int) -> None:
    known = {"RANK": rank, "WORLD_SIZE": world, "LOCAL_RANK": rank % on_a_node, "LOCAL_WORLD_SIZE": on_a_node}
    for name, value in known.items():
        monkeypatch.setenv(name, str(value))


def test_processes_share_everything_once(monkeypatch: pytest.MonkeyPatch) -> None:
    items, shares, of_first_node = list(range(10)), [], []
    for rank in range(4):
        act_as(monkeypatch, rank, world=4, on_a_node=2)
        assert ranks.is_main() == (rank == 0)
        shares.append(ranks.share(items))
        of_first_node.append(ranks.share_of_first_node(items))
    assert sorted(item for share in shares for item in share) == items
    assert {len(share) for share in shares} == {2, 3}
    assert of_first_node == [items[::2], items[1::2], [], []]


def test_one_process_does_everything_and_pays_nothing() -> None:
    script = """
import sys
from stillright import ranks
assert ranks.on_main(lambda: 7) == 7
assert ranks.main_first(lambda: 8) == 8
assert ranks.share([1, 2]) == ranks.share_of_first_node([1, 2]) == ranks.gather([1, 2]) == [1, 2]
ranks.wait()
ranks.leave()
assert "torch" not in sys.modules
"""
    # of a job of several machines that started one process on each without a launcher
    environment = {**os.environ, "WORLD_SIZE": "4", "RANK": "2"}
    environment.pop("LOCAL_RANK", None)
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)


def test_steps_are_those_of_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainingConfig(batch_size=4, gradient_accumulation=2, epochs=10)
    assert optimizer_steps(config, texts=65) == 90  # 17 batches, 9 steps an epoch
    act_as(monkeypatch, 1, world=4, on_a_node=4)
    assert optimizer_steps(config, texts=65) == 30  # 5 batches of 16, 3 steps an epoch
    assert warmup_steps(config, texts=65) == 3


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    lengths = [1 + i % 7 for i in range(50)]
    orders = {}
    for seed, epoch in ((0, 0), (0, 1), (1, 0)):
        sampler = AgreedSampler(4, lengths, seed)
        sampler.set_epoch(epoch)
        orders[seed, epoch] = list(sampler)
        torch.rand(3)  # whatever else is drawn
        assert list(sampler) == orders[seed, epoch]
        assert sorted(orders[seed, epoch]) == list(range(50))
    assert orders[0, 0] != orders[0, 1]
    assert orders[0, 0] != orders[1, 0]
    assert longest_first([3, 9, 5]) == [1, 2, 0]


@pytest.mark.parametrize(
    ("at_end", "remainder", "counted"),
    [
        (False, 5, [4, 4, 4]),
        (True, 0, [4, 4, 4]),  # nothing is repeated
        (True, 5, [4, 1, 0]),
        (True, 11, [4, 4, 3]),
    ],
)
def test_texts_that_fill_up_are_not_counted(at_end: bool, remainder: int, counted: list[int]) -> None:
    state = SimpleNamespace(end_of_dataloader=at_end, remainder=remainder)
    assert [texts_read_once(state, 4, process) for process in range(3)] == counted
