"""What CompatTrainer keeps of its teachers: read again when it fits, made again when not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from rich.console import Console
from safetensors.torch import load_file
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from architectures import tiny
from compat_case import LORA, moved, pairs, texts, tokens
from stillright import CompatTrainer
from stillright.errors import DataError, ModelError, RunError
from stillright.folder.workspace import Workspace
from stillright.forward import trees
from stillright.forward.passes import check_packing, last_states, model_inputs
from stillright.models import Source, load_base
from stillright.training.teachers import cache_writing, teacher_model
from stillright.training.teachers.cache_files import open_cache
from stillright.training.teachers.teacher_model import model_digest

END_TO_END = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which teacher reads a batch, one entry a batch."""
    found: list[str] = []
    write = cache_writing._write_batch

    def watched(base: Any, head: Any, *rest: Any) -> None:
        found.append("old" if head.weight.shape[1] == 16 else "new")
        write(base, head, *rest)

    monkeypatch.setattr(cache_writing, "_write_batch", watched)
    return found


def test_teachers_are_read_again_while_nothing_changes(
    make: Callable[..., CompatTrainer], models: tuple[Any, Any], tmp_path: Path, read: list[str]
) -> None:
    make()
    assert read == ["old", "new"]
    kept = tmp_path / "out-teachers"
    rows = open_cache(kept / "old").starts[-1]
    assert rows == open_cache(kept / "new").starts[-1] > 0
    make(config={"mask": "old_only", "temperature": 3.0, "ce_weight": 0.5, "seed": 7})  # states know none of it
    assert read == ["old", "new"]
    make(config={"teachers": "sampled", "entries": 8})
    assert read == ["old", "new"] * 2
    make(config={"teachers": "sampled", "entries": 8, "temperature": 3.0})
    assert read == ["old", "new"] * 3
    make(texts())
    assert read == ["old", "new"] * 4
    make(texts(), config={"teachers_dir": str(tmp_path / "elsewhere")})
    assert read == ["old", "new"] * 5
    next(w for w in models[0].parameters() if w.requires_grad).data += 0.1
    make(texts())
    assert read == [*["old", "new"] * 5, "old"]


def test_a_damaged_or_interrupted_teacher_is_made_again(
    make: Callable[..., CompatTrainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: list[str]
) -> None:
    monkeypatch.setattr(trees, "BATCH_TOKENS", 40)  # several batches
    make()
    whole, file = len(read) // 2, tmp_path / "out-teachers/old/hidden.bin"
    content = file.read_bytes()
    file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    watched, left = cache_writing._write_batch, iter(range(whole))

    def interrupted(*args: Any) -> None:
        if next(left) == 1:
            raise KeyboardInterrupt
        watched(*args)

    with monkeypatch.context() as patch:
        patch.setattr(cache_writing, "_write_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make()
    make()
    assert whole > 2
    assert read[2 * whole :] == ["old"] * whole  # those before and after the interruption, each once
    assert file.read_bytes() == content


def test_a_folder_serves_one_trainer_at_a_time(make: Callable[..., CompatTrainer], tmp_path: Path) -> None:
    kept = tmp_path / "out-teachers"
    expected = f"folder {kept}: another run works here; wait for it, or choose another teachers_dir"
    with Workspace(kept, Console(quiet=True)).locked(), pytest.raises(RunError, match=f"^{re.escape(expected)}$"):
        make()
    (tmp_path / "file").write_text("text")
    with pytest.raises(RunError, match=r"cannot be created: .*; choose another teachers_dir$"):
        make(config={"teachers_dir": str(tmp_path / "file")})


def test_models_may_be_named(
    bases: tuple[Path, Path],
    models: tuple[Any, Any],
    make: Callable[..., CompatTrainer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same evaluation as of the models in memory."""
    for role, model in zip(("old", "new"), models, strict=True):
        model.save_pretrained(tmp_path / role)
    expected = make().evaluate()
    old, new = (f"{base}+{tmp_path / role}" for base, role in zip(bases, ("old", "new"), strict=True))
    found = make(model=new, old_model=old).evaluate()
    for name in ("eval_loss", "eval_kl_old", "eval_follow_old", "eval_cross_entropy"):
        assert found[name] == pytest.approx(expected[name], rel=1e-6), name
    with monkeypatch.context() as patch:
        patch.setattr(teacher_model, "load_model", lambda ref, *_, **__: pytest.fail(f"{ref} is loaded"))
        again = make(old_model=old).evaluate()  # which has read the rows
    assert again["eval_loss"] == found["eval_loss"]


def test_a_named_adapter_is_loaded_as_model_init_kwargs_say(
    bases: tuple[Path, Path], models: tuple[Any, Any], make: Callable[..., CompatTrainer], tmp_path: Path
) -> None:
    models[1].save_pretrained(tmp_path / "new")
    options = {"dtype": "bfloat16", "attn_implementation": "eager", "device_map": {"": "cpu"}}
    trainer = make(model=f"{bases[1]}+{tmp_path / 'new'}", config={"model_init_kwargs": options})
    base = trainer.model.get_base_model()
    assert base.config._attn_implementation == "eager"
    assert base.lm_head.weight.dtype == torch.bfloat16
    assert load_base(Source(str(bases[1])), torch.float32, device_map={"": "meta"}).device.type == "meta"


def test_a_fresh_adapter_has_the_base_as_new_teacher(
    bases: tuple[Path, Path], make: Callable[..., CompatTrainer]
) -> None:
    trainer = make(model=str(bases[1]), peft_config=LORA, config={"mask": "new_only"})
    found = trainer.evaluate()
    assert found["eval_loss"] == pytest.approx(0.0, abs=1e-6)
    for name, weight in trainer.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    assert trainer.evaluate()["eval_loss"] > 1e-3


def test_half_precision_is_that_of_the_training(make: Callable[..., CompatTrainer]) -> None:
    """float32 weights under bfloat16 autocast, TRL's default: kept and live teachers say the same."""
    found = [make(config={"bf16": True, "teachers": form}).evaluate() for form in ("hidden", "live")]
    for name in ("eval_loss", "eval_kl_old", "eval_cross_entropy"):
        assert found[0][name] == pytest.approx(found[1][name], rel=2**-7), name
    none = make(config={"bf16": True, "mask": "new_only"}).evaluate()
    assert none["eval_loss"] == pytest.approx(0.0, abs=1e-5)  # the student says what it said as teacher


def test_a_resumed_training_ends_as_one_never_stopped(
    bases: tuple[Path, Path], make: Callable[..., CompatTrainer], tmp_path: Path
) -> None:
    config = {"save_strategy": "steps", "save_steps": 3, "max_steps": 6, "eval_strategy": "steps", "eval_steps": 3}
    make(model=moved(bases[1], seed=4), config={**config, "output_dir": str(tmp_path / "whole")}).train()
    make(model=moved(bases[1], seed=4), config={**config, "output_dir": str(tmp_path / "again")}).train()
    checkpoint = tmp_path / "again/checkpoint-6"
    whole = load_file(tmp_path / "whole/checkpoint-6/adapter_model.safetensors")
    (checkpoint / "adapter_model.safetensors").unlink()
    trainer = make(model=moved(bases[1], seed=4), config={**config, "output_dir": str(tmp_path / "again")})
    trainer.train(resume_from_checkpoint=str(tmp_path / "again/checkpoint-3"))
    again = load_file(checkpoint / "adapter_model.safetensors")
    assert all(torch.equal(again[name], values) for name, values in whole.items())
    steps = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(steps) == 6


def test_several_data_sets_are_evaluated(make: Callable[..., CompatTrainer]) -> None:
    parts = {"first": pairs().select(range(2)), "rest": pairs().select(range(2, 6))}
    whole, apart = make().evaluate(), make(eval_dataset=parts).evaluate()
    trainer = make(eval_dataset=parts)
    tokens = [sum(len(row["labels"]) - row["labels"].count(-100) for row in trainer.eval_dataset[n]) for n in parts]
    mean = sum(apart[f"eval_{n}_loss"] * t for n, t in zip(parts, tokens, strict=True)) / sum(tokens)
    assert mean == pytest.approx(whole["eval_loss"], rel=1e-5)


def test_rows_that_kept_teachers_have_not_read_are_refused(make: Callable[..., CompatTrainer]) -> None:
    expected = make().evaluate()["eval_loss"]
    with pytest.raises(DataError, match=r"was not read by the teachers.*teachers='live'"):
        make(pairs().select(range(2))).evaluate(pairs())
    live = make(pairs().select(range(2)), config={"teachers": "live"})
    assert live.evaluate(pairs())["eval_loss"] == pytest.approx(expected, rel=1e-4)


def test_a_stream_needs_live_teachers(make: Callable[..., CompatTrainer]) -> None:
    stream = pairs().to_iterable_dataset()
    with pytest.raises(DataError, match="a IterableDataset whose rows are made while it is read"):
        make(train_dataset=stream, config={"max_steps": 2})
    trainer = make(train_dataset=stream, config={"max_steps": 2, "teachers": "live"})
    assert trainer.train().global_step == 2


@pytest.mark.parametrize("packed", [False, True])
def test_a_decision_for_whole_texts_knows_packed_ones(make: Callable[..., CompatTrainer], packed: bool) -> None:
    """One a text, not one a row: the same share of tokens follows old however rows are made."""
    config = {"mask": "sequence_likelihood", "ce_weight": 0.5}
    found = make(config={**config, "packing": True, "max_length": 64} if packed else config).evaluate()
    expected = make(config={**config, "per_device_eval_batch_size": 1}).evaluate()
    assert 0 < expected["eval_follow_old"] < 1
    assert found["eval_follow_old"] == pytest.approx(expected["eval_follow_old"])


@pytest.mark.parametrize(("kind", "attention"), [("llama", "sdpa"), ("llama", "eager"), ("gemma2", "eager")])
def test_a_packed_row_has_the_states_of_its_texts_alone(kind: str, attention: str) -> None:
    model = tiny(kind, attn_implementation=attention)
    for weight in model.parameters():
        weight.data *= 5  # so that what a text attends to shows
    parts = [[5, 6, 7, 8, 9], [10, 11], list(range(20, 40))]
    batch = END_TO_END([{"input_ids": ids} for ids in parts])
    with torch.no_grad():
        found = last_states(model, model_inputs(batch, "cpu"))[0]
        alone = [last_states(model, {"input_ids": torch.tensor([ids])})[0] for ids in parts]
        joined = last_states(model, {"input_ids": batch["input_ids"]})[0]
    torch.testing.assert_close(found, torch.cat(alone), rtol=1e-4, atol=1e-5)
    assert (found - joined).abs().max() > 0.01


def test_layers_that_mix_packed_texts_are_refused() -> None:
    collate = END_TO_END
    check_packing(tiny("llama"), collate)
    check_packing(tiny("gemma2", attn_implementation="eager"), collate)
    mixing = tiny("llama")
    plain = mixing.model.forward
    mixing.model.forward = lambda position_ids=None, **inputs: plain(**inputs)
    with pytest.raises(ModelError, match=r"llama: a text behind another in one row .*use padding_free=False"):
        check_packing(mixing, collate)


def test_a_digest_is_that_of_weights_and_settings(bases: tuple[Path, Path], tmp_path: Path) -> None:
    digest = model_digest(moved(bases[0], seed=3))
    assert model_digest(moved(bases[0], seed=3)) == digest
    assert model_digest(moved(bases[0], seed=3).bfloat16()) != digest
    changed = moved(bases[0], seed=3)
    changed.peft_config["default"].lora_alpha = 16
    assert model_digest(changed) != digest
    moved(bases[0], seed=3).save_pretrained(tmp_path / "adapter")
    loaded = PeftModel.from_pretrained(load_base(Source(str(bases[0])), torch.float32), tmp_path / "adapter")
    assert model_digest(loaded) == digest
    one = changed.get_base_model().model.layers[1].mlp.down_proj.base_layer.weight
    one.data[0, 0] += 1
    assert model_digest(changed) != digest


def test_a_digest_knows_adapters_that_are_off_or_scaled(bases: tuple[Path, Path]) -> None:
    def scaled(model: Any) -> None:
        for layer in model.modules():
            if hasattr(layer, "set_scale"):
                layer.set_scale("default", 3.0)

    ids, digests = torch.tensor([[5, 6, 7]]), set()
    logits = []
    for change in (lambda model: None, lambda model: model.base_model.disable_adapter_layers(), scaled):
        model = moved(bases[0], seed=3)
        change(model)
        digests.add(model_digest(model))
        logits.append(model(input_ids=ids).logits)
    assert not torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[0], logits[2])
    assert len(digests) == 3


def test_the_old_model_may_be_a_base_in_memory(bases: tuple[Path, Path], make: Callable[..., CompatTrainer]) -> None:
    old = load_base(Source(str(bases[0])), torch.float32)
    assert make(old_model=old).evaluate()["eval_loss"] == make(old_model=str(bases[0])).evaluate()["eval_loss"]


@pytest.mark.parametrize("teachers", ["hidden", "live"])
def test_predict_gives_the_metrics(make: Callable[..., CompatTrainer], teachers: str) -> None:
    """And no logits, which are never made."""
    trainer = make(config={"teachers": teachers})
    expected, found = trainer.evaluate(), trainer.predict(trainer.eval_dataset)
    assert found.metrics["test_loss"] == expected["eval_loss"]
    assert found.metrics["test_kl_old"] == expected["eval_kl_old"]
    assert found.predictions is None


@pytest.mark.parametrize("kind", ["torch", "numpy"])
def test_a_data_set_may_have_a_format(make: Callable[..., CompatTrainer], kind: str) -> None:
    rows = tokens()
    expected = make(rows).evaluate()["eval_loss"]
    assert make(rows.with_format(kind)).evaluate()["eval_loss"] == expected
    assert make(rows.with_format(kind, columns=["input_ids"])).evaluate()["eval_loss"] == expected
