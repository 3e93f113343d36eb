"""Means that are logged: divided once, by all that they count, and read from the device only then."""

from __future__ import annotations

import torch

from stillright.training.means import Mean, Means


def test_a_mean_is_divided_once_by_all_that_it_counts() -> None:
    means = Means()
    means.add({"loss": Mean(torch.tensor(6.0, requires_grad=True), 2), "kl": Mean(torch.tensor(1.0), torch.tensor(4))})
    means.add({"loss": Mean(torch.tensor(1.0), torch.tensor(5)), "lost": Mean(torch.tensor(0.0), 0)})
    assert means.divided() == {"loss": 1.0, "kl": 0.25}
    assert means.divided() == {}


def test_long_sums_lose_nothing() -> None:
    """In float32 one more would not count."""
    means = Means()
    for total in (2.0**24, 1.0, 1.0):
        means.add({"loss": Mean(torch.tensor(total), 1)})
    assert means.divided()["loss"] == (2**24 + 2) / 3


def test_adding_reads_nothing_from_the_device() -> None:
    """A meta tensor has no values that could be read."""
    means = Means()
    for _ in range(2):
        means.add(
            {
                "loss": Mean(torch.zeros((), device="meta"), torch.ones((), device="meta")),
                "kl": Mean(torch.zeros((), device="meta"), 3),
            }
        )
