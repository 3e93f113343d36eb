"""A transfer on tiny models: what is exact is exact, ranks go where they count, and what does not fit is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from rich.console import Console
from torch import Tensor
from torch.testing import assert_close
from transformers import AutoConfig, AutoModelForCausalLM

from bases import adapted, moved, saved_beside, tied
from stillright.config import TrainingConfig
from stillright.errors import ModelError
from stillright.forward.heads import lm_head
from stillright.forward.passes import check_head
from stillright.models import ModelRef, Source, load_base, load_model
from stillright.models.merge import merged
from stillright.progress import Progress
from stillright.training.choice.choice_batches import reading_of
from stillright.training.choice.teacher_scores import choice_scores, teacher_scores
from stillright.training.search.directions import added
from stillright.training.settings import Job
from stillright.training.text import ChoiceText, Text
from stillright.training.transfer.differences import Differences
from stillright.training.transfer.factors import low_rank
from stillright.training.transfer.layers import layer_factors
from stillright.training.transfer.moments import moments_of
from stillright.training.transfer.transfer import ACCOUNT, Settings, transfer_adapter

QUIET = Progress(Console(quiet=True))
FULL = 64  # beyond the rank of any layer here
IDS = torch.arange(5, 45).view(2, 20)


@pytest.fixture
def pair(make_base: Callable[..., Path], tmp_path: Path) -> tuple[ModelRef, ModelRef]:
    """Old and new task models of one shape, alike in what is not inside the layers."""
    base = make_base(seed=1)
    return adapted(base, 1, tmp_path / "old"), adapted(moved(base, tmp_path / "base"), 2, tmp_path / "new")


def job(folder: Path) -> Job:
    return Job("transfer", TrainingConfig(), 0, torch.float32, folder / "work", folder / "out", QUIET)


def transferred(pair: tuple[ModelRef, ModelRef], folder: Path, rank: int, share: float, weighted: bool = False) -> Path:
    texts = [Text(ids) for ids in IDS.tolist()]
    transfer_adapter(*pair, Settings(rank, weighted), share, texts, job(folder))
    return folder / "out"


@torch.no_grad()
def logits(model: Any) -> Tensor:
    found: Tensor = model.eval()(input_ids=IDS).logits
    return found


@pytest.mark.parametrize("weighted", [False, True])
def test_all_of_a_transfer_of_full_rank_is_the_old_model(
    pair: tuple[ModelRef, ModelRef], tmp_path: Path, weighted: bool
) -> None:
    """Norms included, which go into the layers after them."""
    old, new = pair
    compat = new.base, transferred(pair, tmp_path, FULL, 1.0, weighted)
    found = logits(PeftModel.from_pretrained(load_base(compat[0], torch.float32), compat[1]))
    expected, before = logits(load_model(old, torch.float32)), logits(load_model(new, torch.float32))
    assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert (before - expected).abs().max() > 0.1


def test_a_share_moves_every_layer_by_that_share(pair: tuple[ModelRef, ModelRef], tmp_path: Path) -> None:
    """The new task adapter, exactly, and beside it 0.3 of the difference."""
    _, new = pair
    adapter = transferred(pair, tmp_path, FULL, 0.3)
    base = load_base(new.base, torch.float32)
    model: Any = PeftModel.from_pretrained(load_base(new.base, torch.float32), adapter)
    differences = Differences(*pair)
    for layer in differences.layers:
        change = model.get_base_model().get_submodule(layer).get_delta_weight("default")
        task = differences.new.of_task(layer) - base.get_submodule(layer).weight.data
        assert_close(change, task + 0.3 * differences.of(layer), atol=1e-5, rtol=1e-5)


def test_a_merged_adapter_answers_as_before(pair: tuple[ModelRef, ModelRef], tmp_path: Path) -> None:
    adapter = transferred(pair, tmp_path, 3, 0.5)
    model: Any = PeftModel.from_pretrained(load_base(pair[1].base, torch.float32), adapter)
    before = logits(model)
    assert_close(logits(model.merge_and_unload()), before, atol=1e-5, rtol=1e-5)


@pytest.fixture(params=["untied", "tied"])
def apart(request: pytest.FixtureRequest, make_base: Callable[..., Path], tmp_path: Path) -> tuple[ModelRef, ModelRef]:
    """Old and new task models of one shape that differ everywhere."""
    base = make_base(seed=1) if request.param == "untied" else tied(make_base(seed=1), tmp_path / "tied")
    other = moved(base, tmp_path / "base", inside=True, outside=True)
    return adapted(base, 1, tmp_path / "old"), adapted(other, 2, tmp_path / "new")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings")
def test_embedding_head_and_last_norm_are_carried(
    apart: tuple[ModelRef, ModelRef], tmp_path: Path, weighted: bool
) -> None:
    """By PEFT alone, and as answers are scored here, which reads the head past its forward."""
    old, new = apart
    adapter = transferred(apart, tmp_path, FULL, 1.0, weighted)
    expected = logits(load_model(old, torch.float32))
    model: Any = PeftModel.from_pretrained(load_base(new.base, torch.float32), adapter)
    assert_close(logits(model), expected, atol=1e-4, rtol=1e-4)
    base = model.get_base_model()
    states = base.base_model(input_ids=IDS).last_hidden_state.flatten(0, 1)
    check_head(model)
    assert_close(lm_head(base).logits(states, 320), expected.flatten(0, 1), atol=1e-4, rtol=1e-4)
    assert json.loads((adapter / ACCOUNT).read_text())["left_out"] == {}


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings")
def test_it_merges_where_the_head_has_a_weight_of_its_own(apart: tuple[ModelRef, ModelRef], tmp_path: Path) -> None:
    adapter = transferred(apart, tmp_path, 3, 0.5)
    model: Any = load_model(ModelRef(apart[1].base, Source(str(adapter))), torch.float32)
    before = logits(model)
    assert_close(logits(merged(model)), before, atol=1e-5, rtol=1e-5)


def test_a_share_on_trial_is_the_adapter_that_would_be_written(
    apart: tuple[ModelRef, ModelRef], tmp_path: Path
) -> None:
    """Rounding aside, whichever share was tried before it."""
    new = apart[1]
    differences = Differences(*apart)
    factors = layer_factors(differences, 3, {}, tmp_path / "work", QUIET, "test")
    adapter = ModelRef(new.base, Source(str(transferred(apart, tmp_path, 3, 0.4))))
    samples = [ChoiceText([5, 6, 7], [[8, 9], [10, 11, 12], [13]], [1, 1, 1], [0])]
    texts = samples * 2
    with torch.no_grad():
        wanted = teacher_scores(adapter, texts, torch.float32, QUIET, "test")
        model = load_model(new, torch.float32).eval()
        reading = reading_of(model, texts, 0, QUIET, "test")
        before = choice_scores(model, texts, reading, QUIET, "test")
        with added(model, {"old": {name: each.change for name, each in factors.items()}}) as move:
            move({"old": 0.9})
            move({"old": 0.4})
            assert_close(choice_scores(model, texts, reading, QUIET, "test"), wanted, atol=1e-4, rtol=1e-4)
            move({})
            assert_close(choice_scores(model, texts, reading, QUIET, "test"), before, atol=1e-6, rtol=1e-6)


def test_factors_of_an_embedding_go_to_tokens_that_are_read() -> None:
    """Of two rows that need one direction each, rank 1 keeps that which is read more."""
    matrix = torch.zeros(4, 3)
    matrix[1, 0], matrix[2, 1] = 1.0, 2.0
    plain, counted = (low_rank(matrix, 1, moments) for moments in (None, torch.tensor([1.0, 9.0, 1.0, 1.0])))
    first, second = matrix.clone(), matrix.clone()
    first[2], second[1] = 0, 0
    assert_close(plain.up @ plain.down, second, atol=1e-6, rtol=0)
    assert_close(counted.up @ counted.down, first, atol=1e-6, rtol=0)
    assert [plain.kept, counted.kept] == pytest.approx([4 / 5, 9 / 13])


def test_moments_that_rounding_has_left_indefinite_weigh_all_the_same() -> None:
    """Two channels a thousand times the third, and alike: their sum is kept, the best of rank 1 for what is read."""
    moments = torch.tensor([[1e6, 1e6 + 5, 0.0], [1e6 + 5, 1e6, 0.0], [0.0, 0.0, 1.0]])  # (1, -1, 0) has -5
    assert torch.linalg.eigvalsh(moments.double())[0] < 0
    found = low_rank(torch.diag(torch.tensor([1.0, 1.0, 10.0])), 1, moments)
    assert_close(
        found.up @ found.down, torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]), atol=1e-3, rtol=0
    )
    with pytest.raises(ModelError, match="no finite second moments"):
        low_rank(torch.eye(3), 1, moments * math.nan)


def test_the_account_names_what_nothing_carries(make_base: Callable[..., Path], tmp_path: Path) -> None:
    """Biases of layers."""
    base = make_base(seed=1)
    pair = (
        adapted(biased(base, tmp_path / "a", 0.5), 1, tmp_path / "old"),
        adapted(biased(base, tmp_path / "b", 1.0), 2, tmp_path / "new"),
    )
    account = json.loads((transferred(pair, tmp_path, 4, 0.5) / ACCOUNT).read_text())
    assert account["left_out"] == {
        f"model.layers.{i}.self_attn.{name}_proj.bias": pytest.approx(0.5) for i in range(2) for name in "qkvo"
    }
    assert (account["share"], account["rank"], account["weighted"]) == (0.5, 4, False)
    assert {*account["kept"]} == {*Differences(*pair).layers}


def biased(base: Path, folder: Path, size: float) -> Path:
    """The same with biases of one size in attention."""
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base, attention_bias=True))
    model.load_state_dict(load_base(Source(str(base)), torch.float32).state_dict(), strict=False)
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.constant_(weight, size)
    return saved_beside(model, base, folder)


def test_weighted_factors_change_outputs_less(pair: tuple[ModelRef, ModelRef]) -> None:
    """Each is the best of its rank: one for the weight, one for what the layer puts out on these texts."""
    differences = Differences(*pair)
    model = load_model(pair[1], torch.float32).eval()
    moments = moments_of(model, differences.layers, IDS.tolist(), 0, QUIET, "test")
    for layer in differences.layers:
        matrix, second = differences.of(layer), moments[layer]
        plain, weighted = low_rank(matrix, 3), low_rank(matrix, 3, second)
        errors = [matrix - each.up @ each.down for each in (plain, weighted)]
        of_weight = [float(error.square().sum()) for error in errors]
        of_output = [float(((error @ second) * error).sum()) for error in errors]
        assert of_weight[0] <= of_weight[1] * (1 + 1e-5)
        assert of_output[1] <= of_output[0] * (1 + 1e-5)
        total = float(((matrix @ second) * matrix).sum())
        assert weighted.kept == pytest.approx(1 - of_output[1] / total, abs=1e-4)


def test_moments_are_those_of_what_layers_read(pair: tuple[ModelRef, ModelRef]) -> None:
    """Padding does not count; q, k and v read one tensor, and so have one result."""
    model: Any = load_model(pair[1], torch.float32).eval()
    texts = [IDS[0].tolist(), IDS[1, :7].tolist()]
    read: list[Tensor] = []
    layer = "model.layers.1.mlp.down_proj"
    module = model.get_base_model().get_submodule(layer)
    hook = module.register_forward_pre_hook(lambda _, args: read.append(args[0].flatten(0, -2)))
    with torch.no_grad():
        for text in texts:
            model(input_ids=torch.tensor([text]))
    hook.remove()
    rows = torch.cat(read)
    names = [f"model.layers.0.self_attn.{name}_proj" for name in "qkv"]
    found = moments_of(model, [layer, *names], texts, 0, QUIET, "test")
    assert_close(found[layer], rows.mT @ rows / len(rows), atol=1e-6, rtol=1e-4)
    assert found[names[0]] is not None
    assert torch.equal(found[names[0]], found[names[2]])


def test_low_rank_beats_any_other_projection() -> None:
    torch.manual_seed(0)
    matrix, other = torch.randn(12, 9), torch.linalg.qr(torch.randn(9, 4)).Q
    factors = low_rank(matrix, 4)
    assert (matrix - factors.up @ factors.down).norm() < (matrix - matrix @ other @ other.T).norm()
    assert factors.kept == pytest.approx(1 - float((matrix - factors.up @ factors.down).norm() / matrix.norm()) ** 2)


def test_other_shapes_are_refused_by_name(make_base: Callable[..., Path]) -> None:
    old, new = (ModelRef.parse(str(make_base(seed=1, hidden=hidden))) for hidden in (16, 24))
    with pytest.raises(ModelError, match=r"model\.layers\.0\.mlp\.down_proj is 24 x 48, in .* 16 x 32"):
        Differences(old, new)


def test_other_vocabularies_are_refused(make_base: Callable[..., Path]) -> None:
    old, new = (ModelRef.parse(str(make_base(seed=1, vocabulary=size))) for size in (320, 384))
    with pytest.raises(ModelError, match=r"has 384 vocabulary entries, .* has 320"):
        Differences(old, new)


def test_an_interrupted_transfer_goes_on(
    pair: tuple[ModelRef, ModelRef], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    differences, done = Differences(*pair), list[str]()
    assert differences.carried == differences.layers  # embedding and head are the same
    of = Differences.of

    def noted(self: Differences, layer: str) -> Tensor:
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append(layer)
        return of(self, layer)

    with monkeypatch.context() as patch:
        patch.setattr(Differences, "of", noted)
        with pytest.raises(KeyboardInterrupt):
            layer_factors(differences, 3, {}, tmp_path / "a", QUIET, "test")
    again = layer_factors(differences, 3, {}, tmp_path / "a", QUIET, "test")
    unbroken = layer_factors(differences, 3, {}, tmp_path / "b", QUIET, "test")
    assert done == differences.layers[:5]
    assert [*again] == differences.layers
    for layer, factors in unbroken.items():
        assert torch.equal(again[layer].up, factors.up)
