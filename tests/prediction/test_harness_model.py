"""How continuations are scored: as the harness does, but in float32, and with prompts read once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.models.huggingface import HFLM
from peft import LoraConfig, get_peft_model

from architectures import tiny
from stillright.errors import DataError, ModelError
from stillright.forward.heads import read_contiguous
from stillright.forward.passes import check_head
from stillright.forward.trees import Tree
from stillright.models import Source, load_base, load_tokenizer
from stillright.prediction.harness_model import HarnessModel, Place, batches_of_rows, grow
from stillright.tasks.encoding import encode_pairs

# prompt and continuation; three share a prompt, and stand apart
PAIRS = [([5, 6, 7], [8, 9]), ([14], [15, 16]), ([5, 6, 7], [10]), ([5, 6, 7], [11, 12, 13]), ([14], [17])]
REQUESTS = [(("", ""), *pair) for pair in PAIRS]
WINDOW = {"sliding_window": 4, "max_position_embeddings": 64, "layer_types": ["sliding_attention", "full_attention"]}
CONVOLUTION = {"layer_types": ["conv", "full_attention"]}


class Counter:
    """A bar that only counts."""

    def __init__(self) -> None:
        self.tokens = 0
        self.units = 0

    def advance(self, *, tokens: int, units: int) -> None:
        self.tokens += tokens
        self.units += units


def answers(kind: type[HFLM], model: Any, tokenizer: Any) -> tuple[list[tuple[float, bool]], Counter]:
    lm = kind(pretrained=model, tokenizer=tokenizer, batch_size=2, max_length=32, backend="causal")
    lm.bar = Counter()
    return lm._loglikelihood_tokens(REQUESTS, disable_tqdm=True), lm.bar


def surely(model: Any, pair: int) -> Any:
    """The model, sure of the continuation of a pair: its head is that of a table of what follows what."""
    prompt, continuation = PAIRS[pair]
    follows = dict(zip([prompt[-1], *continuation], continuation, strict=False))
    ids = torch.zeros(1, len(prompt) + len(continuation), dtype=torch.long)
    ids[0] = torch.tensor([*prompt, *continuation])
    with torch.no_grad():
        states = model.base_model(input_ids=ids).last_hidden_state[0, len(prompt) - 1 : -1]
        for state, token in zip(states, follows.values(), strict=True):
            model.lm_head.weight[token] = 50 * state / state.norm()
    return model


@pytest.fixture
def tokenizer(tokenizer_folder: Path) -> Any:
    return load_tokenizer(Source(str(tokenizer_folder)))


@pytest.mark.parametrize("model", [("llama", {}), ("gemma3_text", WINDOW), ("lfm2", CONVOLUTION)])
def test_answers_are_those_of_the_harness(model: tuple[str, dict[str, Any]], tokenizer: Any) -> None:
    name, settings = model
    found = surely(tiny(name, tie_word_embeddings=False, **settings), pair=3)
    ours, _ = answers(HarnessModel, found, tokenizer)
    theirs, _ = answers(HFLM, found, tokenizer)
    assert [likeliest for _, likeliest in ours] == [likeliest for _, likeliest in theirs]
    assert ours[3][1]
    assert not all(likeliest for _, likeliest in ours)
    assert [value for value, _ in ours] == pytest.approx([value for value, _ in theirs], abs=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_adapter_on_the_head_counts(tokenizer: Any, dtype: torch.dtype) -> None:
    config = LoraConfig(target_modules=["lm_head"], r=4, init_lora_weights=False)
    model = get_peft_model(tiny("llama", tie_word_embeddings=False).to(dtype), config).eval()
    ours, theirs = (answers(kind, model, tokenizer)[0] for kind in (HarnessModel, HFLM))
    with model.disable_adapter():
        without, _ = answers(HFLM, model, tokenizer)
    assert [value for value, _ in ours] == pytest.approx([value for value, _ in theirs], abs=0.1)
    assert max(abs(value - other) for (value, _), (other, _) in zip(ours, without, strict=True)) > 0.2
    with pytest.raises(ModelError, match="an adapter sits on its LM head"):
        check_head(model)


def test_a_prompt_is_read_once(make_base: Callable[..., Path], tokenizer: Any) -> None:
    _, bar = answers(HarnessModel, load_base(Source(str(make_base(seed=7))), torch.float32).eval(), tokenizer)
    assert (bar.tokens, bar.units) == (9 + 4, 5)


def test_where_trees_cannot_be_read_it_is_repeated(tokenizer: Any) -> None:
    model = tiny("lfm2", **CONVOLUTION)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    _, bar = answers(HarnessModel, model, tokenizer)
    assert (bar.tokens, bar.units) == (5 + 4 + 6 + 3 + 2, 5)


def test_sums_are_not_rounded_to_bfloat16(make_base: Callable[..., Path], tokenizer: Any) -> None:
    model = load_base(Source(str(make_base(seed=7))), torch.bfloat16).eval()
    ours, theirs = (answers(kind, model, tokenizer)[0] for kind in (HarnessModel, HFLM))
    rounded = [[torch.tensor(value).bfloat16().item() == value for value, _ in found] for found in (ours, theirs)]
    assert rounded == [[False] * 5, [True] * 5]


def test_a_head_that_is_not_understood_is_left_to_the_harness(make_base: Callable[..., Path], tokenizer: Any) -> None:
    model = load_base(Source(str(make_base(seed=7))), torch.float32).eval()
    model.lm_head.register_forward_hook(lambda module, inputs, logits: 30 * logits)
    ours, bar = answers(HarnessModel, model, tokenizer)
    assert ours == answers(HFLM, model, tokenizer)[0]
    assert bar.units == 5
    halves, _ = answers(HarnessModel, model.bfloat16(), tokenizer)
    assert [torch.tensor(value).bfloat16().item() == value for value, _ in halves] == [False] * 5


def test_the_head_reads_the_last_positions_of_texts_contiguously(make_base: Callable[..., Path]) -> None:
    model = load_base(Source(str(make_base(seed=7))), torch.float32).eval()
    ids = torch.tensor([[5, 6, 7], [8, 9, 10]])
    plain = model(input_ids=ids, logits_to_keep=1).logits
    seen: list[bool] = []
    read_contiguous(model)
    model.lm_head.register_forward_pre_hook(lambda _, args: seen.append(args[0].is_contiguous()))
    torch.testing.assert_close(model(input_ids=ids, logits_to_keep=1).logits, plain)
    assert seen == [True]


def test_places_and_cut_prompts_by_hand() -> None:
    trees, places = grow([([1, 2, 3], [4]), ([1, 2, 3], [5, 6]), ([1, 2, 3], [7]), ([9], [8, 8])], max_length=3)
    assert trees == [Tree([2, 3], [[4], [7]]), Tree([3], [[5, 6]]), Tree([9], [[8, 8]])]
    assert places == [Place(0, 0), Place(1, 0), Place(0, 1), Place(2, 0)]


def test_samples_of_one_prompt_share_trees_that_end() -> None:
    trees, places = grow([([1], [2, 3]), ([1], [4]), ([1], [5]), ([1], [2, 3])], max_length=3)
    assert trees == [Tree([1], [[2, 3], [4]]), Tree([1], [[5], [2, 3]])]
    assert places == [Place(0, 0), Place(0, 1), Place(1, 0), Place(1, 1)]


def test_equal_continuations_are_read_once() -> None:
    assert grow([([1], [2]), ([1], [2])], max_length=9) == ([Tree([1], [[2]])], [Place(0, 0), Place(0, 0)])


def test_a_prompt_without_tokens_is_what_the_harness_takes_for_none(tokenizer: Any) -> None:
    """White space at the end of a prompt belongs to the answer."""
    (prompt, answer), (none, same) = encode_pairs([("\n", "red"), ("", "\nred")], tokenizer)
    assert (prompt, answer) == (none, same)
    assert len(prompt) == 1


def test_an_answer_without_tokens_is_refused(tokenizer: Any) -> None:
    joined = next(word for word in tokenizer.get_vocab() if word.isalpha() and word.isascii() and len(word) > 2)
    with pytest.raises(DataError, match=f"answer {joined[-1]!r}: has no token of its own after '{joined[:-1]}'"):
        encode_pairs([(joined[:-1], joined[-1])], tokenizer)


def test_an_answer_that_is_too_long_is_refused(make_base: Callable[..., Path], tokenizer: Any) -> None:
    model = load_base(Source(str(make_base(seed=7))), torch.float32).eval()
    lm = HarnessModel(pretrained=model, tokenizer=tokenizer, batch_size=2, max_length=4, backend="causal")
    assert lm._loglikelihood_tokens([]) == []
    with pytest.raises(DataError, match=r"an answer has 4 tokens, but only 4 are read, prompt included; raise train"):
        lm._loglikelihood_tokens([(("", ""), [5], [6, 7, 8, 9])])


def test_batches_by_hand() -> None:
    trees = [Tree([1], [[2]]), Tree([1, 2], [[3], [4], [5]]), Tree([1], [[2, 3]])]
    assert list(batches_of_rows(trees, apart=False, rows=2, most=60)) == [[1, 2], [0]]
    assert list(batches_of_rows(trees, apart=True, rows=2, most=60)) == [[1], [2, 0]]


def test_batches_of_many_tokens_have_few_rows() -> None:
    trees = [Tree([1] * (60 // 2 - 1), [[2]]), Tree([1] * (60 // 3 - 1), [[2]])]
    assert list(batches_of_rows([trees[0]] * 3, apart=False, rows=8, most=60)) == [[0, 1], [2]]
    assert list(batches_of_rows([trees[1]] * 4, apart=True, rows=8, most=60)) == [[0, 1, 2], [3]]
    assert list(batches_of_rows([Tree([1] * 60, [[2]])] * 2, apart=False, rows=8, most=60)) == [[0], [1]]
