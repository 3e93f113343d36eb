"""Names of models: parsing, printing back, and what determines their content."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import meeting
from launching import launch
from stillright.errors import ModelError
from stillright.models import ModelRef, Source
from stillright.models.ref import commit_of

COMMIT, OTHER = "a" * 40, "b" * 40


@pytest.mark.parametrize(
    ("text", "base", "adapter"),
    [
        ("owner/model", Source("owner/model"), None),
        ("owner/model@v1", Source("owner/model", "v1"), None),
        ("owner/model@v1+owner/adapter@v2", Source("owner/model", "v1"), Source("owner/adapter", "v2")),
        ("owner/model+new+adapter", Source("owner/model"), Source("new+adapter")),  # an id has no +
        ("one", Source("one"), None),
        ("one+two", Source("one+two"), None),  # there is such a folder
        ("one+two+three", Source("one+two"), Source("three")),
        ("one+three", Source("one"), Source("three")),
        ("one+three+two", Source("one"), Source("three+two")),
        ("at@home+three", Source("at@home"), Source("three")),
    ],
)
def test_models_parse_and_print_back(
    text: str, base: Source, adapter: Source | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "one+two", "at@home"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert ModelRef.parse(text) == ModelRef(base, adapter)
    assert str(ModelRef.parse(text)) == text


@pytest.mark.parametrize("text", ["", "+adapter", "owner/model+"])
def test_a_model_without_base_or_adapter_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match=r"expected base\[@revision\]\[\+adapter\]"):
        ModelRef.parse(text)


READ = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]
READ += ["model.safetensors.index.json", "merges.txt", "tokenizer.model", "chat_template.jinja"]
UNREAD = [".gitattributes", ".cache/huggingface/download/config.json.metadata", ".git/HEAD", "README.md", "LICENSE"]
UNREAD += ["pytorch_model.bin", "model-Q4.gguf", "original/consolidated.safetensors", "checkpoint-5/optimizer.pt"]


def written(folder: Path, names: list[str], text: str = "one") -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("name", READ)
def test_a_base_is_what_is_read_of_it(name: str, tmp_path: Path) -> None:
    base = Source(str(written(tmp_path / "base", READ)))
    before = base.fingerprint()
    written(tmp_path / "base", [name], "two!")
    assert base.fingerprint() != before
    (tmp_path / "base" / name).unlink()
    assert base.fingerprint() != before


@pytest.mark.parametrize("name", UNREAD)
def test_what_else_lies_in_its_folder_does_not_count(name: str, tmp_path: Path) -> None:
    base = Source(str(written(tmp_path / "base", READ)))
    before = base.fingerprint()
    written(tmp_path / "base", [name])
    assert base.fingerprint() == before
    written(tmp_path / "base", [name], "two!")
    assert base.fingerprint() == before


def test_an_adapter_without_safetensors_is_its_pickled_weights(tmp_path: Path) -> None:
    adapter = Source(str(written(tmp_path, ["adapter_config.json", "adapter_model.bin"])))
    before = adapter.fingerprint()
    written(tmp_path, ["adapter_model.bin"], "two!")
    assert adapter.fingerprint() != before


def test_a_copy_is_the_same_model(bases: tuple[Path, Path], tmp_path: Path) -> None:
    copied = shutil.copytree(bases[0], tmp_path / "copy")
    prints = [ModelRef.parse(str(folder)).fingerprint() for folder in (bases[0], copied, bases[1])]
    assert prints[0] == prints[1] != prints[2]


@pytest.fixture
def forget() -> Any:
    """What this process knows of the hub."""
    commit_of.cache_clear()
    yield
    commit_of.cache_clear()


def answering(*commits: str) -> Callable[..., SimpleNamespace]:
    """A hub that says one commit after another."""
    left = iter(commits)
    return lambda *_, **__: SimpleNamespace(sha=next(left))


@pytest.mark.usefixtures("forget")
def test_a_hub_id_is_its_commit_as_first_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", answering(COMMIT, OTHER))
    model = ModelRef.parse("owner/model")
    assert [model.fingerprint(), model.fingerprint()] == [f"owner/model@{COMMIT}+None"] * 2
    assert ModelRef.parse("owner/model@v1").fingerprint() == f"owner/model@{OTHER}+None"


@pytest.mark.usefixtures("forget")
def test_without_a_connection_the_cache_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    class ConnectError(Exception):
        """As the hub's HTTP library raises it: no OSError."""

    def refused(*_: Any, **__: Any) -> Any:
        raise ConnectError("connection refused")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", refused)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="owner/model: neither a folder nor in the local cache, and the hub cannot"):
        ModelRef.parse("owner/model").fingerprint()
    written(tmp_path / "models--owner--model", ["refs/main"], COMMIT)
    written(tmp_path / "models--owner--model", [f"snapshots/{COMMIT}/config.json"])
    assert ModelRef.parse("owner/model").fingerprint() == f"owner/model@{COMMIT}+None"


def test_of_several_processes_one_reads_the_files(bases: tuple[Path, Path], tmp_path: Path) -> None:
    done = launch(meeting.__file__, str(bases[0]), str(tmp_path))
    assert done.returncode == 0, done.stderr
    (read, *main), (none, *other) = ((tmp_path / f"{rank}.txt").read_text().splitlines() for rank in (0, 1))
    assert (int(read) > 3, int(none)) == (True, 0)
    assert main == other == [ModelRef.parse(str(bases[0])).fingerprint()] * 4
