"""How the harness asks our models: log-likelihoods are summed in float32, and a prompt is read once for all choices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partialmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import LogitsProcessorList

from stillright.errors import DataError, ModelError
from stillright.forward.heads import lm_head, read_contiguous
from stillright.forward.passes import check_head, evaluating
from stillright.forward.trees import Ids, Tree, batch_tokens, continued, label_logp, plant, reads_trees
from stillright.models import ModelRef, Source, load_model, load_tokenizer, longest_text
from stillright.prediction.ensemble import MeanLogits
from stillright.progress import Bar, unseen_bar
from stillright.tasks.encoding import read_requests
from stillright.upstream.lm_eval import OpenLM, Request, instances

Answer = tuple[float, bool]  # summed log-probability of a continuation, whether each of its tokens is the likeliest


class Place(NamedTuple):
    """Where a request's continuation is."""

    tree: int
    choice: int


class HarnessModel(OpenLM):
    """Answers as HFLM does, except for rounding: HFLM sums log-probabilities in the dtype of the logits, where a sum
    in bfloat16 has steps of half a nat for an answer of usual length.

    Where an architecture's head is not understood, HFLM's own pass is used, with a softmax in float32.
    """

    bar: Bar
    others: Sequence[Any] = ()  # models that generate together with this one

    loglikelihood = partialmethod(OpenLM.loglikelihood, disable_tqdm=True)
    generate_until = partialmethod(OpenLM.generate_until, disable_tqdm=True)

    def log_likelihoods(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Of each continuation after its prompt, as of a task's choices. Raises DataError as `score` does."""
        return [sum_ for sum_, _ in self.loglikelihood(instances("loglikelihood", pairs))]

    def continuations(self, prompts: Sequence[str], longest: int, stop: Sequence[str]) -> list[str]:
        """What is generated after each prompt, greedily: at most `longest` tokens, up to a text of `stop`."""
        return self.generations(prompts, {"until": list(stop), "max_gen_toks": longest, "do_sample": False})

    def generations(self, prompts: Sequence[str], options: Mapping[str, Any]) -> list[str]:
        """What is generated after each prompt; options: as a task of the harness names them."""
        return list(self.generate_until(instances("generate_until", [(prompt, {**options}) for prompt in prompts])))

    @torch.no_grad()
    def score(self, requests: list[Request]) -> list[Answer]:
        """Raises DataError for a continuation that is longer than what is read."""
        if not requests:
            return []
        try:
            check_head(self.model)
        except ModelError:
            return super().score(requests)
        pairs = read_requests(requests, self.prefix_token_id)
        self._refuse_longer(pairs)
        trees, places = grow(pairs, self.max_length)
        with evaluating(self.model) as base:
            answers = self._answers(base, trees)
        return [answers[place.tree][place.choice] for place in places]

    def _refuse_longer(self, pairs: Sequence[tuple[Ids, Ids]]) -> None:
        longest = max(len(continuation) for _, continuation in pairs)
        if longest >= self.max_length:
            raise DataError(
                f"an answer has {longest:,} tokens, but only {self.max_length:,} are read, prompt included; raise "
                "training.max_length as far as the model allows, or leave the sample out"
            )

    def _answers(self, base: Any, trees: list[Tree]) -> dict[int, list[Answer]]:
        """By the number of the tree, the answer of each choice."""
        pad = self.tokenizer.pad_token_id
        apart = not reads_trees(base, trees, pad)
        answers: dict[int, list[Answer]] = {}
        for batch in batches_of_rows(trees, apart, int(self.batch_size), batch_tokens(base.device)):
            grown = [trees[i] for i in batch]
            answers.update(zip(batch, score(base, grown, pad, apart), strict=True))
            self.bar.advance(tokens=sum(tree.tokens(apart) for tree in grown), units=sum(len(t.choices) for t in grown))
        return answers

    def note(self, ids: Tensor) -> None:
        self.bar.advance(tokens=ids.numel(), units=len(ids))

    def generation_options(self, attention_mask: Tensor) -> dict[str, Any]:
        if not self.others:
            return {}
        return {"logits_processor": LogitsProcessorList([MeanLogits(self.others, attention_mask)])}


def loaded_to_answer(ref: ModelRef, dtype: torch.dtype) -> Any:
    """A model that is only asked, so its adapter too is in `dtype`. Raises ModelError."""
    model = load_model(ref, dtype, adapter_in_float32=False).eval()
    read_contiguous(model)
    return model


def asked(models: Sequence[Any], bases: Sequence[Source], batch_size: int, max_length: int) -> HarnessModel:
    """The last of `models`, for the harness to ask; the others generate with it.

    max_length: tokens, of which no more are read than all `bases` do.
    """
    *others, model = models
    lm = HarnessModel(
        pretrained=model,
        tokenizer=load_tokenizer(bases[-1]),
        batch_size=batch_size,
        max_length=longest_text(bases, max_length),
        backend="causal",
    )
    lm.others, lm.bar = others, unseen_bar()
    return lm


def grow(pairs: Sequence[tuple[Ids, Ids]], max_length: int) -> tuple[list[Tree], list[Place]]:
    """Continuations of the same prompt as one tree, together at most `max_length` tokens, and the place of each pair's.

    Prompts are cut at their start where they do not fit `max_length` with their continuation.
    """
    latest: dict[tuple[int, ...], int] = {}  # the tree that is still growing, by its prompt
    trees: list[Tree] = []
    places = []
    for prompt, continuation in pairs:
        kept = prompt[-max(1, max_length - len(continuation)) :]
        number = latest.get(tuple(kept))
        if number is None or not _has_room(trees[number], continuation, max_length):
            number = latest[tuple(kept)] = len(trees)
            trees.append(Tree(kept, []))
        choices = trees[number].choices
        if continuation not in choices:
            choices.append(continuation)
        places.append(Place(number, choices.index(continuation)))
    return trees, places


def _has_room(tree: Tree, continuation: Ids, max_length: int) -> bool:
    """All samples may have the same prompt, so a tree is limited."""
    return continuation in tree.choices or sum(map(len, tree.choices)) + len(continuation) <= max_length


def batches_of_rows(trees: Sequence[Tree], apart: bool, rows: int, most: int) -> Iterator[list[int]]:
    """Numbers of trees of similar length, the longest first: at most `rows` rows and `most` tokens, or one tree."""
    lengths = [tree.longest() if apart else tree.tokens(apart=False) for tree in trees]
    batch: list[int] = []
    filled = 0
    for i in sorted(range(len(trees)), key=lengths.__getitem__, reverse=True):
        needed = len(trees[i].choices) if apart else 1
        if batch and (filled + needed) > min(rows, most // lengths[batch[0]]):
            yield batch
            batch, filled = [], 0
        batch.append(i)
        filled += needed
    if batch:
        yield batch


def score(base: Any, trees: Sequence[Tree], pad_token_id: int, apart: bool) -> list[list[Answer]]:
    """Of each tree the answer of each choice, from one forward pass of a causal model without adapter wrapper."""
    tokens = continued(base, plant(trees, pad_token_id, apart).to(base.device))
    logp, likeliest = label_logp(lm_head(base), tokens.states, tokens.labels)
    shape = (len(trees), max(len(tree.choices) for tree in trees))
    where = (tokens.sample, tokens.choice)
    sums = logp.new_zeros(shape).index_put(where, logp, accumulate=True).tolist()
    missed = logp.new_zeros(shape).index_put(where, (~likeliest).to(logp.dtype), accumulate=True).tolist()
    return [[(sums[i][k], missed[i][k] == 0) for k in range(len(tree.choices))] for i, tree in enumerate(trees)]
