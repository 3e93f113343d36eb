"""Choice samples as trees: the prompt stands once, and every choice sees it and itself alone.

So a sample costs its prompt once, however many choices it has, and one forward pass gives the log-likelihood of each.
Models that cannot read a tree get a row a choice, with the prompt repeated: slower, and as right.
Knows ids and tensors; nothing of losses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from stillright.errors import TaskError
from stillright.tasks import Task
from stillright.training.head_loss import chunk_rows
from stillright.training.heads import LMHead, lm_head
from stillright.training.text import Ids, encode_pairs

PADDING = -1  # branch of padded places
ABSENT = -1e4  # score of a choice that a sample does not have
# nats a token by which a choice in a tree may differ from the same apart; bfloat16 rounds logits beyond 16 to eighths
TREE_TOLERANCE, HALF_TREE_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}, 0.15


class ChoiceText(NamedTuple):
    """One sample: token ids of the prompt and of each choice."""

    prompt: Ids
    choices: list[Ids]
    lengths: list[int]  # what log-likelihoods are divided by, as the task's metric has it
    accepted: list[int]  # numbers of the right choices, mostly one

    @property
    def gold(self) -> int:
        """Number of the right choice that is trained on, the first of several."""
        return self.accepted[0]

    @property
    def ids(self) -> Ids:
        """The prompt, then choice after choice."""
        return [*self.prompt, *(i for choice in self.choices for i in choice)]

    def tokens(self, apart: bool) -> int:
        """How many tokens a forward pass reads, see `plant`."""
        return len(self.ids) + (len(self.choices) - 1) * len(self.prompt) if apart else len(self.ids)

    def longest(self) -> int:
        """Tokens of the prompt and the longest choice."""
        return len(self.prompt) + max(map(len, self.choices))


def encode_choices(task: Task, tokenizer: Any, max_length: int) -> list[ChoiceText]:
    """Every training document, tokenized as the harness scores it; prompts lose their beginning beyond `max_length`.

    Raises TaskError where the task's answers are not choices.
    """
    if not task.is_choice:
        raise TaskError(f"task {task.name}: its answers are generated; choice strategies need choices")
    samples = [
        (task.prompt(document), task.choices(document), task.accepted(document)) for document in task.train_documents
    ]
    delimiter = task.harness.config.target_delimiter
    pairs = [(prompt, f"{delimiter}{choice}") for prompt, choices, _ in samples for choice in choices]
    encoded = iter(encode_pairs(pairs, tokenizer))
    texts = []
    for _, choices, accepted in samples:
        prompts, continuations = zip(*(next(encoded) for _ in choices), strict=True)
        room = max(1, max_length - max(map(len, continuations)))
        texts.append(ChoiceText(prompts[0][-room:], list(continuations), task.choice_lengths(choices), accepted))
    return texts


class Trees(NamedTuple):
    """A batch of B samples and at most K choices in R rows of at most L tokens: a tree a row, or a choice a row."""

    apart: bool  # whether every choice has a row of its own, with the prompt
    input_ids: Tensor  # (R, L)
    position_ids: Tensor  # (R, L); every choice goes on where the prompt ends
    branch: Tensor  # (R, L) 0 in the prompt, k in choice k from 1, PADDING beyond
    before: Tensor  # (R, L) place of the token before, within the row; for the prompt meaningless
    sample: Tensor  # (R,) number of the sample within the batch

    def to(self, device: Any) -> Trees:
        """The same batch on a device."""
        return Trees(self.apart, *(part.to(device) for part in self[1:]))


def plant(texts: list[ChoiceText], pad_token_id: int, apart: bool = False) -> Trees:
    """The texts as one batch; `apart` repeats the prompt for every choice, for models that cannot read a tree."""
    columns, sample = [], []
    for i, text in enumerate(texts):
        rows = _columns_apart(text) if apart else [_columns(text)]
        columns += rows
        sample += [i] * len(rows)
    length = max(len(ids) for ids, *_ in columns)
    fills = (pad_token_id, 0, PADDING, 0)
    padded = [
        torch.tensor([[*column[i], *[fill] * (length - len(column[i]))] for column in columns])
        for i, fill in enumerate(fills)
    ]
    input_ids, positions, branch, before = padded
    return Trees(apart, input_ids, positions, branch, before, torch.tensor(sample))


def _columns_apart(text: ChoiceText) -> list[tuple[list[int], ...]]:
    """Those of a tree of one choice for each, with the number that the choice has in the sample."""
    rows: list[tuple[list[int], ...]] = []
    for k, choice in enumerate(text.choices, start=1):
        ids, positions, branch, before = _columns(text._replace(choices=[choice]))
        rows.append((ids, positions, [k * i for i in branch], before))
    return rows


def _columns(text: ChoiceText) -> tuple[list[int], ...]:
    start = len(text.prompt)
    positions, branch, before = list(range(start)), [0] * start, [max(0, i - 1) for i in range(start)]
    for k, choice in enumerate(text.choices, start=1):
        first = len(positions)
        positions += range(start, start + len(choice))
        branch += [k] * len(choice)
        before += [start - 1, *range(first, first + len(choice) - 1)]
    return text.ids, positions, branch, before


def attention_mask(branch: Tensor, dtype: Any) -> Tensor:
    """(B, 1, L, L) to be added to attention scores: a token sees the prompt and its own choice, up to itself."""
    places = torch.arange(branch.shape[1], device=branch.device)
    same = (branch[:, None, :] == branch[:, :, None]) | (branch[:, None, :] == 0)
    seen = same & (places[None, :] <= places[:, None])  # padding sees padding, so that no row is empty
    return torch.zeros(seen.shape, dtype=dtype, device=branch.device).masked_fill_(~seen, torch.finfo(dtype).min)[
        :, None
    ]


def log_likelihoods(model: Any, trees: Trees, shape: Sequence[int]) -> Tensor:
    """`shape` (B, K) summed log-probabilities of each choice's tokens, float32; 0 for choices that a sample lacks.

    model: a causal language model without adapter wrapper. The gradient flows to its hidden states.
    """
    seeing = {}  # right padding: no real position of a row of one choice sees a padded one
    if not trees.apart:
        seeing = {"attention_mask": attention_mask(trees.branch, model.dtype), "position_ids": trees.position_ids}
    states = model.base_model(input_ids=trees.input_ids, use_cache=False, **seeing).last_hidden_state
    row, place = (trees.branch > 0).nonzero(as_tuple=True)
    logp = _token_logp(lm_head(model), states[row, trees.before[row, place]], trees.input_ids[row, place])
    where = (trees.sample[row], trees.branch[row, place] - 1)
    return logp.new_zeros(tuple(shape)).index_put(where, logp, accumulate=True)


@torch.no_grad()
def reads_trees(model: Any, texts: list[ChoiceText], pad_token_id: int) -> bool:
    """Whether `model` says of choices in a tree what it says of them apart, tried on the longest texts.

    Models whose layers have a window of attention, or a state instead of attention, ignore the mask that makes a tree.
    """
    tried = [max(texts, key=length) for length in (ChoiceText.longest, lambda text: text.tokens(apart=False))]
    return all(_same_apart(model, text, pad_token_id) for text in tried)


def _same_apart(model: Any, text: ChoiceText, pad_token_id: int) -> bool:
    shape, tokens = (1, len(text.choices)), torch.tensor([len(choice) for choice in text.choices])
    apart = log_likelihoods(model, plant([text], pad_token_id, apart=True).to(model.device), shape)
    try:
        tree = log_likelihoods(model, plant([text], pad_token_id).to(model.device), shape)
    except (IndexError, RuntimeError, TypeError, ValueError):  # some layers take no mask of four dimensions
        return False
    gaps = (tree - apart).abs().cpu() / tokens
    return bool((gaps <= TREE_TOLERANCE.get(model.dtype, HALF_TREE_TOLERANCE)).all())


def _token_logp(head: LMHead, states: Tensor, labels: Tensor) -> Tensor:
    """(N,) log-probability of each label after states (N, H); logits exist for `chunk_rows` rows at a time."""

    def chunk(rows: Tensor, targets: Tensor) -> Tensor:
        return -functional.cross_entropy(head.logits(rows, len(head.weight)), targets, reduction="none")

    parts = zip(states.split(chunk_rows(head)), labels.split(chunk_rows(head)), strict=True)
    return torch.cat([checkpoint(chunk, rows, targets, use_reentrant=False) for rows, targets in parts])
