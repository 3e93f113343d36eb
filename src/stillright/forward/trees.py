"""Several continuations of one prompt as a tree: the prompt is there once, and each of them sees only it and itself.

So a sample costs its prompt once, however many choices it has, and one forward pass gives the log-likelihood of each.
Models that cannot read a tree get one row per continuation, with the prompt repeated: slower, but just as right.
Knows ids and tensors, but no tasks or losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from stillright.forward.heads import LMHead, chunk_rows, lm_head

Ids = list[int]
# tokens of a forward pass, padding counted: on a CPU what its caches hold (benchmarks/predict_speed.py)
BATCH_TOKENS, BATCH_TOKENS_ON_DEVICE = 512, 4096
MULTIPLE = 16  # rows are padded to a multiple of this many tokens: a CPU compiles a kernel for every length
PADDING = -1  # branch of padded places
# nats per token by which a choice in a tree may differ from the same apart; bfloat16 rounds logits above 16 to eighths
TREE_TOLERANCE, HALF_TREE_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}, 0.15


def batch_tokens(device: torch.device) -> int:
    """How many tokens a forward pass reads at most, if a single text has no more."""
    return BATCH_TOKENS if device.type == "cpu" else BATCH_TOKENS_ON_DEVICE


@dataclass(frozen=True)
class Tree:
    """Token ids of a prompt and of what may follow it, each at least one token."""

    prompt: Ids
    choices: list[Ids]

    @property
    def ids(self) -> Ids:
        """The prompt, then choice after choice."""
        return [*self.prompt, *(i for choice in self.choices for i in choice)]

    def tokens(self, apart: bool) -> int:
        """How many tokens a forward pass reads, see `plant`."""
        return len(self.prompt) * (len(self.choices) if apart else 1) + sum(map(len, self.choices))

    def longest(self) -> int:
        """Tokens of the prompt and the longest choice."""
        return len(self.prompt) + max(map(len, self.choices))


class Trees(NamedTuple):
    """A batch of B samples and at most K choices in R rows of at most L tokens, each row a tree or a single choice."""

    apart: bool  # whether every choice has a row of its own, with the prompt
    input_ids: Tensor  # (R, L)
    position_ids: Tensor  # (R, L); every choice continues where the prompt ends
    branch: Tensor  # (R, L) 0 in the prompt, k in choice k from 1, PADDING beyond
    before: Tensor  # (R, L) place of the token before, within the row; meaningless in the prompt
    sample: Tensor  # (R,) number of the sample within the batch

    def to(self, device: torch.device) -> Trees:
        return Trees(self.apart, *(part.to(device) for part in self[1:]))


class Continued(NamedTuple):
    """The N tokens of all choices of a batch, each with the state that predicts it."""

    states: Tensor  # (N, H)
    labels: Tensor  # (N,) token ids
    sample: Tensor  # (N,) number of the sample within the batch
    choice: Tensor  # (N,) number of the choice within the sample


def plant(texts: Sequence[Tree], pad_token_id: int, apart: bool = False) -> Trees:
    """The texts as one batch; `apart` repeats the prompt for every choice, for models that cannot read a tree."""
    columns, sample = [], []
    for i, text in enumerate(texts):
        rows = [_columns(text.prompt, text.choices)]
        if apart:
            rows = [_columns(text.prompt, [choice], k) for k, choice in enumerate(text.choices, start=1)]
        columns += rows
        sample += [i] * len(rows)
    fills = (pad_token_id, 0, PADDING, 0)
    parts = zip(zip(*columns, strict=True), fills, strict=True)
    ids, positions, branch, before = (padded(rows, fill, MULTIPLE) for rows, fill in parts)
    return Trees(apart, ids, positions, branch, before, torch.tensor(sample))


def padded(rows: Sequence[Sequence[int]], fill: int, multiple: int = 1) -> Tensor:
    """(R, L) rows of different lengths as one tensor, whose L is a multiple of `multiple`."""
    length = -(-max(map(len, rows)) // multiple) * multiple
    return torch.tensor([[*row, *[fill] * (length - len(row))] for row in rows])


def _columns(prompt: Ids, choices: list[Ids], number: int = 1) -> tuple[Ids, ...]:
    """A row of Trees, where `number` is that of the first choice."""
    start = len(prompt)
    positions, branch, before = list(range(start)), [0] * start, [max(0, i - 1) for i in range(start)]
    for k, choice in enumerate(choices, start=number):
        first = len(positions)
        positions += range(start, start + len(choice))
        branch += [k] * len(choice)
        before += [start - 1, *range(first, first + len(choice) - 1)]
    return Tree(prompt, choices).ids, positions, branch, before


def attention_mask(branch: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, 1, L, L) to be added to attention scores: a token sees the prompt and its own choice, up to itself."""
    places = torch.arange(branch.shape[1], device=branch.device)
    same = (branch[:, None, :] == branch[:, :, None]) | (branch[:, None, :] == 0)
    seen = same & (places[None, :] <= places[:, None])  # padding sees padding, so that no row is empty
    added = torch.zeros(seen.shape, dtype=dtype, device=branch.device)
    return added.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]


def continued(model: Any, trees: Trees) -> Continued:
    """One forward pass of a causal language model without adapter wrapper. The gradient flows to its hidden states."""
    seeing = {}  # right padding: no real position of a row of one choice sees a padded one
    if not trees.apart:
        seeing = {"attention_mask": attention_mask(trees.branch, model.dtype), "position_ids": trees.position_ids}
    states = model.base_model(input_ids=trees.input_ids, use_cache=False, **seeing).last_hidden_state
    row, place = (trees.branch > 0).nonzero(as_tuple=True)
    return Continued(
        states[row, trees.before[row, place]],
        trees.input_ids[row, place],
        trees.sample[row],
        trees.branch[row, place] - 1,
    )


def log_likelihoods(model: Any, trees: Trees, shape: Sequence[int]) -> Tensor:
    """`shape` (B, K) summed log-probabilities of each choice's tokens, float32; 0 for choices that a sample lacks."""
    tokens = continued(model, trees)
    logp, _ = label_logp(lm_head(model), tokens.states, tokens.labels)
    return logp.new_zeros(tuple(shape)).index_put((tokens.sample, tokens.choice), logp, accumulate=True)


@torch.no_grad()
def reads_trees(model: Any, texts: Sequence[Tree], pad_token_id: int) -> bool:
    """Whether `model` scores choices in a tree as it scores them apart, tried on the longest texts.

    Layers with a window of attention, or with a state instead of attention, ignore the mask that makes a tree.
    """
    tried = [max(texts, key=length) for length in (Tree.longest, lambda text: text.tokens(apart=False))]
    return all(_same_apart(model, text, pad_token_id) for text in tried)


def _same_apart(model: Any, text: Tree, pad_token_id: int) -> bool:
    shape, tokens = (1, len(text.choices)), torch.tensor([len(choice) for choice in text.choices])
    apart = log_likelihoods(model, plant([text], pad_token_id, apart=True).to(model.device), shape)
    try:
        tree = log_likelihoods(model, plant([text], pad_token_id).to(model.device), shape)
    except (IndexError, RuntimeError, TypeError, ValueError):  # some layers accept no four-dimensional mask
        return False
    gaps = (tree - apart).abs().cpu() / tokens
    return bool((gaps <= TREE_TOLERANCE.get(model.dtype, HALF_TREE_TOLERANCE)).all())


def label_logp(head: LMHead, states: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """(N,) log-probability of each label after states (N, H) in float32, and (N,) whether no token is likelier.

    Logits exist for `chunk_rows` rows at a time, and are made again for a gradient.
    """

    def chunk(rows: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        logits = head.logits(rows, len(head.weight))
        likeliest = logits.gather(1, targets[:, None])[:, 0] >= logits.amax(dim=-1)
        return -functional.cross_entropy(logits, targets, reduction="none"), likeliest

    parts = zip(states.split(chunk_rows(head)), labels.split(chunk_rows(head)), strict=True)
    scored = [checkpoint(chunk, rows, targets, use_reentrant=False) for rows, targets in parts]
    logp, likeliest = (torch.cat(part) for part in zip(*scored, strict=True))
    return logp, likeliest
