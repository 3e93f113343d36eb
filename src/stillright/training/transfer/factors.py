"""The best low-rank factors of a matrix: of its own energy, or of its effect on what a layer reads."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from stillright.errors import ModelError
from stillright.training.transfer.weights import Change

EXACT = 2048  # up to this many rows or columns all singular values are worked out
OVERSAMPLED, POWER_STEPS = 16, 4  # of the randomized decomposition beyond (Halko et al., 2011)
DAMPING = 1e-6  # of the mean second moment, so that directions that were never read stay invertible
MORE_DAMPING = (
    10  # times as much, as often as rounding needs it: activations may have channels of a thousand times others
)
MOST_DAMPING = 1e3


class Factors(NamedTuple):
    """matrix ~ up @ down, and how much of the matrix that keeps."""

    up: Tensor  # (out, rank)
    down: Tensor  # (rank, in)
    kept: float  # share of the energy, weighted where the factors are

    @property
    def change(self) -> Change:
        return Change(self.up, self.down)


def low_rank(matrix: Tensor, rank: int, moments: Tensor | None = None) -> Factors:
    """Factors of (out, in) that minimize |(matrix - up @ down) S| in the Frobenius norm, with S S' = moments.

    moments: (in, in) second moments of the layer's inputs; None: S is the identity (Eckart and Young, 1936). With them
    the error of the layer's output on these inputs is least (QERA: Zhang et al., 2024; EoRA: Liu et al., 2024). Of an
    embedding (V, H) they are (V,), how often each token is read.
    """
    if moments is not None and moments.dim() == 1:
        return _of_rows(matrix, rank, moments)
    root = None if moments is None else _root(moments)
    weighted = matrix if root is None else matrix @ root
    up, values, down = _decomposed(weighted, min(rank, *matrix.shape))
    if root is not None:  # down @ inverse(root)
        down = torch.linalg.solve_triangular(root, down, upper=False, left=False)
    total = float(weighted.square().sum())
    return Factors(up * values, down, float(values.square().sum()) / total if total else 1.0)


def _of_rows(matrix: Tensor, rank: int, weights: Tensor) -> Factors:
    """Factors of (V, H) that minimize the sum over rows of weight times squared error: every row in its projection on
    the principal directions of all."""
    energy = (matrix * weights[:, None]).mT @ matrix
    values, directions = torch.linalg.eigh(energy)  # in rising order
    values, directions = values[-rank:].clamp_min(0), directions[:, -rank:]
    total = float(energy.diagonal().sum())
    return Factors(matrix @ directions, directions.mT, float(values.sum()) / total if total else 1.0)


def _root(moments: Tensor) -> Tensor:
    """(in, in) lower triangular S with S S' = moments, damped until that is positive definite: sums in float32 may be a
    little below zero in directions that are hardly read. Raises ModelError for moments that are no numbers."""
    exact = moments.double()
    damping, mean = DAMPING, exact.diagonal().mean().clamp_min(1e-12)
    while damping < MOST_DAMPING:
        found, failed = torch.linalg.cholesky_ex(exact + damping * mean * torch.eye(len(exact)))
        if not failed:
            root: Tensor = found.to(moments.dtype)
            return root
        damping *= MORE_DAMPING
    raise ModelError("what a layer reads has no finite second moments; take float32 for the dtype, or weighted: false")


def _decomposed(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor, Tensor]:
    """The largest singular values (rank,), with vectors (out, rank) and (rank, in)."""
    if min(matrix.shape) <= EXACT:
        up, values, down = torch.linalg.svd(matrix, full_matrices=False)
        return up[:, :rank], values[:rank], down[:rank]
    up, values, right = torch.svd_lowrank(matrix, q=min(rank + OVERSAMPLED, *matrix.shape), niter=POWER_STEPS)
    return up[:, :rank], values[:rank], right[:, :rank].mT
