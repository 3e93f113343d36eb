"""Choice samples as trees: the prompt stands once, and every choice sees it and itself alone.

So a sample costs its prompt once, however many choices it has, and one forward pass gives the log-likelihood of each.
Knows ids and tensors; nothing of losses.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from stillright.errors import TaskError
from stillright.tasks import Task
from stillright.training.head_loss import CHUNK
from stillright.training.heads import LMHead, lm_head
from stillright.training.text import Ids, encode_pairs

PADDING = -1  # branch of padded places
ABSENT = -1e4  # score of a choice that a sample does not have


class ChoiceText(NamedTuple):
    """One sample: token ids of the prompt and of each choice."""

    prompt: Ids
    choices: list[Ids]
    lengths: list[int]  # what log-likelihoods are divided by, as the task's metric has it
    gold: int  # number of the right choice

    @property
    def ids(self) -> Ids:
        """The prompt, then choice after choice."""
        return [*self.prompt, *(i for choice in self.choices for i in choice)]


def encode_choices(task: Task, tokenizer: Any, max_length: int) -> list[ChoiceText]:
    """Every training document, tokenized as the harness scores it; prompts lose their beginning beyond `max_length`.

    Raises TaskError where the task's answers are not choices.
    """
    if not task.is_choice:
        raise TaskError(f"task {task.name}: its answers are generated; choice strategies need choices")
    samples = [
        (task.prompt(document), task.choices(document), task.gold(document)) for document in task.train_documents
    ]
    delimiter = task.harness.config.target_delimiter
    pairs = [(prompt, f"{delimiter}{choice}") for prompt, choices, _ in samples for choice in choices]
    encoded = iter(encode_pairs(pairs, tokenizer))
    texts = []
    for _, choices, gold in samples:
        prompts, continuations = zip(*(next(encoded) for _ in choices), strict=True)
        room = max(1, max_length - max(map(len, continuations)))
        texts.append(ChoiceText(prompts[0][-room:], list(continuations), task.choice_lengths(choices), gold))
    return texts


class Trees(NamedTuple):
    """A batch of B trees of at most L tokens and K choices."""

    input_ids: Tensor  # (B, L)
    position_ids: Tensor  # (B, L); every choice goes on where the prompt ends
    branch: Tensor  # (B, L) 0 in the prompt, k in choice k from 1, PADDING beyond
    before: Tensor  # (B, L) place of the token before, within the tree; for the prompt meaningless


def plant(texts: list[ChoiceText], pad_token_id: int) -> Trees:
    """The texts as one batch."""
    length = max(len(text.ids) for text in texts)
    columns = [_columns(text) for text in texts]
    fills = (pad_token_id, 0, PADDING, 0)
    padded = [
        torch.tensor([[*column[i], *[fill] * (length - len(column[i]))] for column in columns])
        for i, fill in enumerate(fills)
    ]
    return Trees(*padded)


def _columns(text: ChoiceText) -> tuple[list[int], list[int], list[int], list[int]]:
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


def log_likelihoods(model: Any, trees: Trees, choices: int) -> Tensor:
    """(B, `choices`) summed log-probabilities of each choice's tokens, float32; 0 for choices that a sample lacks.

    model: a causal language model without adapter wrapper. The gradient flows to its hidden states.
    """
    head = lm_head(model)
    mask = attention_mask(trees.branch, model.dtype)
    states = model.base_model(
        input_ids=trees.input_ids, attention_mask=mask, position_ids=trees.position_ids, use_cache=False
    ).last_hidden_state
    sample, place = (trees.branch > 0).nonzero(as_tuple=True)
    logp = _token_logp(head, states[sample, trees.before[sample, place]], trees.input_ids[sample, place])
    sums = logp.new_zeros(len(trees.branch), choices)
    return sums.index_put((sample, trees.branch[sample, place] - 1), logp, accumulate=True)


def _token_logp(head: LMHead, states: Tensor, labels: Tensor) -> Tensor:
    """(N,) log-probability of each label after states (N, H); logits exist for CHUNK rows at a time."""

    def chunk(rows: Tensor, targets: Tensor) -> Tensor:
        return -functional.cross_entropy(head.logits(rows, len(head.weight)), targets, reduction="none")

    parts = zip(states.split(CHUNK), labels.split(CHUNK), strict=True)
    return torch.cat([checkpoint(chunk, rows, targets, use_reentrant=False) for rows, targets in parts])
