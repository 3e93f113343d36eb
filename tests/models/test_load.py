"""Loading: of the commit that stages are named by, once where nothing is changed, in the dtypes that are wanted."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import peft
import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model

from places import ROOT
from stillright import ranks
from stillright.errors import ModelError
from stillright.models import (
    ModelRef,
    Source,
    compute_dtype,
    load_adapter_config,
    load_base,
    load_config,
    load_model,
    load_skeleton,
    load_tokenizer,
    longest_text,
)
from stillright.models.ref import commit_of
from stillright.prediction.harness_model import loaded_to_answer

COMMIT = "a" * 40


@pytest.fixture
def adapted(make_base: Callable[..., Path], tmp_path: Path) -> ModelRef:
    """A base with a random adapter, kept in float32."""
    base = make_base(seed=5)
    adapter = LoraConfig(target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(load_base(Source(str(base)), torch.float32), adapter).save_pretrained(tmp_path / "adapter")
    return ModelRef.parse(f"{base}+{tmp_path / 'adapter'}")


def test_only_one_module_calls_from_pretrained() -> None:
    package = ROOT / "src" / "stillright"
    called = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "from_pretrained"
    }
    assert called == {"models/load.py"}


@pytest.fixture
def on_hub(adapted: ModelRef, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The revisions that `from_pretrained` gets, of a hub where owner/base and owner/adapter are at COMMIT."""
    assert adapted.adapter is not None
    folders = {"owner/base": adapted.base.name, "owner/adapter": adapted.adapter.name}
    asked: list[Any] = []
    loaders = (transformers.AutoConfig, transformers.AutoTokenizer, transformers.AutoModelForCausalLM)
    for loader in (*loaders, peft.PeftConfig, peft.PeftModel):
        monkeypatch.setattr(loader, "from_pretrained", _local(loader.from_pretrained, folders, asked))
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: SimpleNamespace(sha=COMMIT))
    commit_of.cache_clear()
    yield asked
    commit_of.cache_clear()


def _local(real: Callable[..., Any], folders: dict[str, str], asked: list[Any]) -> Callable[..., Any]:
    def load(*args: Any, **options: Any) -> Any:
        found = [folders.get(arg, arg) if isinstance(arg, str) else arg for arg in args]
        if found != list(args):
            asked.append(options.pop("revision"))
        return real(*found, **options)

    return load


def test_what_is_loaded_is_the_commit_that_stages_are_named_by(on_hub: list[Any]) -> None:
    ref = ModelRef.parse("owner/base+owner/adapter")
    assert ref.fingerprint() == f"owner/base@{COMMIT}+owner/adapter@{COMMIT}"
    load_config(ref.base)
    load_tokenizer(ref.base)
    assert ref.adapter is not None
    load_adapter_config(ref.adapter)
    load_model(ref, torch.float32)
    assert on_hub == [COMMIT] * 5


def count(monkeypatch: pytest.MonkeyPatch, loader: Any) -> list[Any]:
    """What a class's `from_pretrained` returns from now on."""
    loaded: list[Any] = []
    real = loader.from_pretrained

    def watched(*args: Any, **options: Any) -> Any:
        loaded.append(real(*args, **options))
        return loaded[-1]

    monkeypatch.setattr(loader, "from_pretrained", watched)
    return loaded


def test_a_configuration_is_loaded_once_until_its_folder_changes(
    make_base: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = make_base(seed=6)
    source, loaded = Source(str(base)), count(monkeypatch, transformers.AutoConfig)
    assert [longest_text([source], 1000) for _ in range(3)] == [128] * 3
    load_skeleton(source).config.max_position_embeddings = 7  # a copy's
    assert longest_text([source], 1000) == 128
    assert len(loaded) == 1
    file = base / "config.json"
    file.write_text(file.read_text().replace('"max_position_embeddings": 128', '"max_position_embeddings": 64'))
    assert longest_text([source], 1000) == 64


def test_a_tokenizer_is_loaded_once_until_its_folder_changes(
    make_base: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = make_base(seed=6)
    source, loaded = Source(str(base)), count(monkeypatch, transformers.AutoTokenizer)
    assert load_tokenizer(source) is load_tokenizer(source)
    (base / "README.md").write_text("about")
    assert load_tokenizer(source) is loaded[0]
    file = base / "tokenizer.json"
    file.write_text(file.read_text().replace("<end>", "<stop>"))
    assert load_tokenizer(source) is loaded[1] is not loaded[0]


def test_prediction_rounds_weights_but_not_positions(adapted: ModelRef) -> None:
    trained, asked = load_model(adapted, torch.bfloat16), loaded_to_answer(adapted, torch.bfloat16)
    assert {weight.dtype for weight in trained.parameters()} == {torch.bfloat16, torch.float32}
    assert {weight.dtype for weight in asked.parameters()} == {torch.bfloat16}
    (_, exact), (_, used) = (
        next(pair for pair in model.named_buffers() if pair[0].endswith("rotary_emb.inv_freq"))
        for model in (trained, asked)
    )
    assert used.dtype == torch.float32
    assert torch.equal(used, exact)


def test_prediction_reads_late_positions_as_training_does(adapted: ModelRef) -> None:
    """Of the base alone, whose weights are the same in both, logits are equal to the bit."""
    ids, places = torch.tensor([[5, 6, 7, 8]]), torch.tensor([[1, 500, 1020, 1024]])
    base = ModelRef(adapted.base)
    with torch.no_grad():
        trained, asked = (
            model.eval()(input_ids=ids, position_ids=places).logits
            for model in (load_model(base, torch.bfloat16), loaded_to_answer(base, torch.bfloat16))
        )
    assert torch.equal(trained, asked)


@pytest.mark.parametrize(
    ("kind", "has", "dtype"),
    [
        ("cpu", {"cpu": True, "cuda": False}, torch.bfloat16),
        ("cpu", {"cpu": False, "cuda": True}, torch.float32),  # a GPU that is not in use says nothing
        ("cuda", {"cpu": True, "cuda": False}, torch.float32),
        ("cuda", {"cpu": False, "cuda": True}, torch.bfloat16),
        ("mps", {"cpu": True, "cuda": True}, torch.float32),
    ],
)
def test_the_dtype_is_that_of_the_device_in_use(
    kind: str, has: dict[str, bool], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "state", lambda: SimpleNamespace(device=torch.device(kind)))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has["cuda"])
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: has["cuda"])
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has["cpu"])
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert compute_dtype("auto") == dtype
    assert compute_dtype("float32") == torch.float32


@pytest.mark.parametrize("tokens", [{}, {"pad_token": "<|pad|>"}])
def test_a_tokenizer_that_neither_begins_nor_ends_a_text_is_refused(
    make_base: Callable[..., Path], tokens: dict[str, str]
) -> None:
    base = make_base(seed=6)
    settings = json.loads((base / "tokenizer_config.json").read_text())
    kept = {key: value for key, value in settings.items() if key not in ("bos_token", "eos_token", "pad_token")}
    (base / "tokenizer_config.json").write_text(json.dumps(kept | tokens))
    (base / "special_tokens_map.json").unlink(missing_ok=True)
    with pytest.raises(ModelError, match=r"its tokenizer has neither eos_token nor bos_token"):
        load_tokenizer(Source(str(base)))
