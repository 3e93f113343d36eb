"""Choices: a tree gives what separate texts give, the loss by hand, and whole runs, also across tokenizers."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch.nn import functional

from architectures import tiny
from samples import write_rows
from stillright.config import TaskConfig, parse_update
from stillright.errors import DataError, TaskError
from stillright.forward.trees import MULTIPLE, log_likelihoods, plant, reads_trees
from stillright.models import Source, load_base, load_tokenizer
from stillright.pipeline import run_update
from stillright.tasks import load_task
from stillright.tasks.ranking import ABSENT, normalized
from stillright.training.choice import scoring
from stillright.training.choice.loss import CHOICE_STRATEGIES, Beliefs, choice_sums, follows_old
from stillright.training.choice.scoring import accepted, flips
from stillright.training.choice.texts import ChoiceText, encode_choices

TEXTS = [
    ChoiceText([5, 6, 7], [[8, 9], [10], [11, 12, 13]], [1, 1, 1], [0]),
    ChoiceText([14], [[15, 16], [17]], [1, 1], [1]),
]


def test_a_tree_by_hand() -> None:
    trees = plant(TEXTS, pad_token_id=0)
    assert {part.shape for part in trees[1:5]} == {(2, MULTIPLE)}
    assert trees.input_ids[:, :9].tolist() == [[5, 6, 7, 8, 9, 10, 11, 12, 13], [14, 15, 16, 17, 0, 0, 0, 0, 0]]
    assert trees.position_ids[:, :9].tolist() == [[0, 1, 2, 3, 4, 3, 3, 4, 5], [0, 1, 2, 1, 0, 0, 0, 0, 0]]
    assert trees.branch[:, :9].tolist() == [[0, 0, 0, 1, 1, 2, 3, 3, 3], [0, 1, 1, 2, -1, -1, -1, -1, -1]]
    assert trees.before[0, :9].tolist() == [0, 0, 1, 2, 3, 2, 2, 6, 7]


def separately(model: Any) -> torch.Tensor:
    """(2, 3) what `model` says of each choice of TEXTS in a plain forward pass of its own; 0 where there is none."""
    found = torch.zeros(2, 3)
    for i, text in enumerate(TEXTS):
        for k, answer in enumerate(text.choices):
            ids = torch.tensor([[*text.prompt, *answer]])
            with torch.no_grad():
                logp = functional.log_softmax(model(input_ids=ids).logits[0, :-1], dim=-1)
            found[i, k] = logp[torch.arange(len(ids[0]) - 1), ids[0, 1:]][-len(answer) :].sum()
    return found


def test_a_tree_equals_separate_texts(make_base: Callable[..., Path]) -> None:
    model = load_base(Source(str(make_base(seed=7))), torch.float32).eval()
    with torch.no_grad():
        found = log_likelihoods(model, plant(TEXTS, pad_token_id=0), (2, 3))
    torch.testing.assert_close(found, separately(model), rtol=0, atol=1e-4)


def test_rows_apart_by_hand() -> None:
    rows = plant(TEXTS, pad_token_id=0, apart=True)
    assert rows.input_ids[:3, :6].tolist() == [[5, 6, 7, 8, 9, 0], [5, 6, 7, 10, 0, 0], [5, 6, 7, 11, 12, 13]]
    assert rows.branch[1:3, :6].tolist() == [[0, 0, 0, 2, -1, -1], [0, 0, 0, 3, 3, 3]]
    assert rows.sample.tolist() == [0, 0, 0, 1, 1]
    assert [TEXTS[0].tokens(apart) for apart in (False, True)] == [9, 15]


WINDOW = {"sliding_window": 4, "max_position_embeddings": 64}


def far_seeing(model: Any) -> None:
    """Makes what a layer sees matter as much as its own token does."""
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=0.3)


@pytest.mark.parametrize(
    ("model", "able"),
    [
        (("llama", {}), True),
        (("qwen2", {}), True),
        (("mistral", {**WINDOW, "sliding_window": None}), True),
        (("mistral", WINDOW), False),
        (("gemma3_text", {**WINDOW, "layer_types": ["sliding_attention", "full_attention"]}), False),
        (("lfm2", {"layer_types": ["conv", "full_attention"]}), False),
    ],
)
def test_models_that_cannot_read_a_tree_are_found(model: tuple[str, dict[str, Any]], able: bool) -> None:
    """A window is shorter than these texts, a convolution runs over the choices before."""
    name, settings = model
    found = tiny(name, **settings)
    far_seeing(found)
    assert reads_trees(found, TEXTS, pad_token_id=0) is able
    apart = log_likelihoods(found, plant(TEXTS, 0, apart=True), (2, 3))
    torch.testing.assert_close(apart, separately(found), rtol=0, atol=1e-4)


def test_the_gradient_flows_through_the_tree(make_base: Callable[..., Path]) -> None:
    model = load_base(Source(str(make_base(seed=7))), torch.float32)
    log_likelihoods(model, plant(TEXTS, pad_token_id=0), (2, 3))[0, 1].backward()
    gradient = model.base_model.layers[0].self_attn.q_proj.weight.grad
    assert gradient is not None
    assert gradient.norm() > 0


def test_scores_are_normalized_and_absent_choices_have_none() -> None:
    scores = normalized(torch.tensor([[-6.0, -3.0], [-4.0, 0.0]]), torch.tensor([[3, 1], [2, 0]]))
    assert scores.tolist() == [[-2.0, -3.0], [-2.0, ABSENT]]


def logs(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows).log()


def test_targets_by_hand() -> None:
    # right answer 0; old right, both wrong, only new right
    beliefs = Beliefs(
        old=logs([0.6, 0.4], [0.2, 0.8], [0.3, 0.7]),
        new=logs([0.1, 0.9], [0.4, 0.6], [0.9, 0.1]),
        gold=torch.zeros(3).long(),
        accepted=torch.tensor([[True, False]] * 3),
    )
    assert follows_old(beliefs).tolist() == [True, True, False]
    expected = {
        "choice": [[0.6, 0.4], [0.2, 0.8], [0.9, 0.1]],
        "choice_mixture": [[0.35, 0.65], [0.3, 0.7], [0.6, 0.4]],
        "choice_ce": [[1.0, 0.0]] * 3,
    }
    for name, target in CHOICE_STRATEGIES.items():
        torch.testing.assert_close(target(beliefs).exp(), torch.tensor(expected[name]))


def test_the_loss_by_hand() -> None:
    # student scores ln 9, 0: at T = 2 its choices are (3/4, 1/4), at T = 1 (9/10, 1/10)
    scores = torch.tensor([[math.log(9), 0.0]])
    sums = choice_sums(scores, logs([0.5, 0.5]), torch.tensor([1]), 2.0, 0.25)
    kl = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    cross_entropy = -math.log(1 / 10)
    assert sums.kl.item() == pytest.approx(kl, abs=1e-6)
    assert sums.cross_entropy.item() == pytest.approx(cross_entropy, abs=1e-6)
    assert sums.loss.item() == pytest.approx(0.75 * kl + 0.25 * cross_entropy, abs=1e-6)


def test_answers_by_hand() -> None:
    """Of several right choices each counts; lost are those that old has right."""
    scores = logs([0.5, 0.3, 0.2], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7])
    texts = [dataclasses.replace(TEXTS[0], accepted=right) for right in ([0], [2, 1], [0])]
    found = flips(scores, {"accepted": accepted(texts), "old_right": torch.tensor([False, True, True])})
    assert {name: (int(mean.total), mean.count) for name, mean in found.items()} == {"right": (2, 3), "lost": (1, 3)}


def test_encoding_is_the_harness_s(choice_task: dict[str, Any], tokenizer_folder: Path) -> None:
    task, tokenizer = load_task(TaskConfig(**choice_task)), load_tokenizer(Source(str(tokenizer_folder)))
    text, document = encode_choices(task, tokenizer, max_length=64)[0], task.train_documents[0]
    assert tokenizer.decode(text.prompt) == task.prompt(document)
    assert [tokenizer.decode(ids) for ids in text.choices] == [f" {choice}" for choice in document["choices"]]
    assert (text.gold, text.lengths) == (document["label"], [1, 1, 1])
    longest = max(map(len, text.choices))
    assert len(encode_choices(task, tokenizer, max_length=longest + 2)[0].prompt) == 2
    by_character = load_task(TaskConfig(**choice_task, metric="acc_norm"))
    assert encode_choices(by_character, tokenizer, 64)[0].lengths == [len(choice) for choice in document["choices"]]


def aligned(values: dict[str, Any], mask: str) -> dict[str, Any]:
    """Runs the update; what stands beside its compat adapter."""
    run_update(parse_update({**values, "strategy": {"mask": mask}}, "test"), Console(quiet=True))
    found: dict[str, Any] = json.loads((Path(values["out"]) / "adapters/compat/training.json").read_text())
    return found


@pytest.mark.parametrize("mask", ["choice", "choice_mixture"])
def test_runs_lower_their_loss(update_values: dict[str, Any], mask: str) -> None:
    training = aligned(update_values, mask)
    assert training["best_validation_loss"] < training["validation_losses"][0]
    assert {"kl", "cross_entropy", "right", "lost"} <= training["validation"][0].keys()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The teachers that are asked from now on."""
    choice_scores, labels = scoring.choice_scores, list[str]()

    def noted(*args: Any) -> torch.Tensor:
        labels.append(args[-1])
        return choice_scores(*args)

    monkeypatch.setattr(scoring, "choice_scores", noted)
    return labels


def test_the_control_learns_from_labels_alone(update_values: dict[str, Any], asked: list[str]) -> None:
    training = aligned(update_values, "choice_ce")
    assert asked == ["old teacher"]  # for `lost`
    for evaluation in training["validation"]:
        assert evaluation["loss"] == pytest.approx(evaluation["cross_entropy"], rel=1e-5)


@pytest.fixture
def quick(update_values: dict[str, Any]) -> dict[str, Any]:
    return {**update_values, "training": {**update_values["training"], "epochs": 1}}


def test_strategies_and_seeds_ask_each_teacher_once(quick: dict[str, Any], asked: list[str]) -> None:
    aligned(quick, "choice_ce")
    assert asked == ["old teacher"]
    for mask in ("choice", "choice_mixture", "choice_ce"):
        aligned({**quick, "align_seed": 3}, mask)
    assert asked == ["old teacher", "new teacher"]


@pytest.mark.parametrize("changed", ["lengths", "texts", "old", "new"])
def test_only_what_a_teacher_reads_asks_it_again(
    quick: dict[str, Any], asked: list[str], make_base: Callable[..., Path], tmp_path: Path, changed: str
) -> None:
    aligned(quick, "choice_mixture")
    asked.clear()
    if changed == "lengths":
        quick["task"]["metric"] = "acc_norm"
    elif changed == "texts":
        rows = [{"question": "What colour is it", "choices": ["red", "blue"]}]
        quick["task"]["unlabelled"] = str(write_rows(tmp_path / "unlabelled.jsonl", rows))
    else:
        quick[changed] = str(make_base(seed=9))
    aligned(quick, "choice_mixture")
    assert asked == ([f"{changed} teacher"] if changed in ("old", "new") else ["old teacher", "new teacher"])


def scores(values: dict[str, Any], role: str) -> Path:
    return Path(values["out"]) / f".stillright/teachers/{role}-choices.safetensors"


def compat(values: dict[str, Any]) -> dict[str, bytes]:
    """The files of the compat adapter that were trained."""
    folder = Path(values["out"]) / "adapters/compat"
    return {name: (folder / name).read_bytes() for name in ("adapter_model.safetensors", "training.json")}


def test_damaged_scores_are_made_again(quick: dict[str, Any], asked: list[str]) -> None:
    aligned(quick, "choice")
    whole = scores(quick, "new").read_bytes()
    scores(quick, "new").write_bytes(whole[:-4] + bytes(4))
    asked.clear()
    aligned(quick, "choice_mixture")
    assert asked == ["new teacher"]
    assert scores(quick, "new").read_bytes() == whole


def test_a_run_interrupted_by_its_second_teacher_does_not_ask_the_first_again(
    quick: dict[str, Any], asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = {**quick, "out": str(tmp_path / "unbroken")}
    aligned(unbroken, "choice")
    asked.clear()
    reading_of = scoring.reading_of

    def interrupt(*args: Any) -> Any:
        if args[-1] == "new teacher":
            raise KeyboardInterrupt
        return reading_of(*args)

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "reading_of", interrupt)
        with pytest.raises(KeyboardInterrupt):
            aligned(quick, "choice")
    assert (asked, scores(quick, "new").exists()) == (["old teacher"], False)
    aligned(quick, "choice")
    assert asked == ["old teacher", "new teacher"]
    assert compat(quick) == compat(unbroken)
    for role in ("old", "new"):
        assert scores(quick, role).read_bytes() == scores(unbroken, role).read_bytes()


def test_tokenizers_may_differ(update_values: dict[str, Any], make_base: Callable[..., Path]) -> None:
    other = make_base(seed=6)
    content = json.loads((other / "tokenizer.json").read_text())
    content["model"]["merges"] = content["model"]["merges"][:10]
    (other / "tokenizer.json").write_text(json.dumps(content))
    assert aligned({**update_values, "new": str(other)}, "choice")["steps"] == 4


def test_a_base_that_cannot_read_trees_is_aligned_all_the_same(
    update_values: dict[str, Any], make_base: Callable[..., Path]
) -> None:
    windowed = make_base(seed=8)
    model = tiny("mistral", **WINDOW, bos_token_id=0, eos_token_id=0, pad_token_id=0)
    far_seeing(model)
    model.save_pretrained(windowed)
    console = Console(width=140, record=True, file=io.StringIO())
    values = {**update_values, "new": str(windowed), "strategy": {"mask": "choice"}}
    run_update(parse_update(values, "test"), console)
    printed = console.export_text()
    assert (
        "align compat: scores choices in a tree differently from choices apart, so the prompt is repeated for each"
        in printed
    )
    assert "old teacher: scores" not in printed
    training = json.loads((Path(values["out"]) / "adapters/compat/training.json").read_text())
    assert training["best_validation_loss"] < training["validation_losses"][0]


def test_generated_answers_are_refused(update_values: dict[str, Any]) -> None:
    task = {**update_values["task"], "answer": "text", "metric": "rouge1", "choices": None, "max_new_tokens": 8}
    with pytest.raises(TaskError, match=r"its answers are generated, but strategy\.mask choice needs choices"):
        aligned({**update_values, "task": task}, "choice")


def test_an_answer_that_is_no_choice_is_refused(choice_task: dict[str, Any], tokenizer_folder: Path) -> None:
    task = load_task(TaskConfig(**choice_task))
    task.train_documents[0]["label"] = 3
    with pytest.raises(DataError, match="the answer 3 is not one of the 3 choices"):
        encode_choices(task, load_tokenizer(Source(str(tokenizer_folder))), 64)
