"""Pushing an adapter: what goes, what never does, and errors in one line. The hub is played; nothing is sent."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

from samples import environment
from stillright.cli import main
from stillright.hub import Adapter, Base, card

LOCAL = "/home/someone/bases/new"


class Hub:
    """Plays HfApi: keeps what it is asked for."""

    def __init__(self, private: bool = True, error: Exception | None = None) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.files: dict[str, Any] = {}
        self.private = private
        self.error = error

    def whoami(self) -> None:
        if self.error:
            raise self.error

    def create_repo(self, repository: str, private: bool, exist_ok: bool) -> None:
        self.asked.append(("create", (repository, private, exist_ok)))

    def model_info(self, repository: str) -> SimpleNamespace:
        return SimpleNamespace(private=self.private)

    def create_branch(self, repository: str, branch: str, exist_ok: bool) -> None:
        self.asked.append(("branch", branch))

    def create_commit(self, repository: str, operations: list[Any], commit_message: str, revision: str | None) -> Any:
        self.asked.append(("commit", revision))
        self.files = {each.path_in_repo: each.path_or_fileobj for each in operations}
        return SimpleNamespace(commit_url=f"https://huggingface.co/{repository}/commit/1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of an adapter of a local base, in a run folder with what must stay."""
    run = tmp_path / "run"
    adapter = run / "adapters/compat"
    adapter.mkdir(parents=True)
    (run / "comparison.json").write_text("{}")
    (adapter / "adapter_model.safetensors").write_bytes(b"weights")
    (adapter / "adapter_config.json").write_text(json.dumps({"r": 4, "base_model_name_or_path": LOCAL}))
    (adapter / "search.json").write_text(
        json.dumps({"reason": "fewest", "not_followed": f"base {LOCAL}: other shapes"})
    )
    (adapter / "training.json").write_text('{"steps": 5}')
    (adapter / "predictions.jsonl").write_text('{"prompt": "a secret"}')
    (adapter / "README.md").write_text(card(Adapter("compat", "compat adapter", Base(), 4)))
    return adapter


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    played = Hub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: played)
    return played


def content(hub: Hub, name: str) -> str:
    found = hub.files[name]
    return found.decode() if isinstance(found, bytes) else Path(found).read_text()


def test_what_goes_is_a_list_without_rows_or_local_paths(
    folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(folder), "me/kept"]) == 0
    assert hub.asked == [("create", ("me/kept", True, True)), ("commit", None)]
    names = {"README.md", "adapter_config.json", "adapter_model.safetensors", "search.json", "training.json"}
    assert hub.files.keys() == names
    texts = {name: content(hub, name) for name in names}
    assert not any(LOCAL in text or "a secret" in text for text in texts.values())
    assert json.loads(texts["adapter_config.json"]) == {"r": 4, "base_model_name_or_path": None}
    assert json.loads(texts["search.json"]) == {"reason": "fewest"}
    assert 'PeftModel.from_pretrained(base, "me/kept")' in texts["README.md"]
    assert "https://huggingface.co/me/kept/commit/1 (private)" in capsys.readouterr().out
    assert LOCAL in (folder / "adapter_config.json").read_text()  # only what goes is changed


def test_the_base_that_the_card_names_is_that_of_the_settings(folder: Path, hub: Hub) -> None:
    text = (folder / "README.md").read_text()
    (folder / "README.md").write_text(text.replace("---\n", "---\nbase_model: maker/base-7b\n", 1))
    assert main(["push", str(folder), "me/kept", "--revision", "second", "--public"]) == 0
    assert hub.asked == [("create", ("me/kept", False, True)), ("branch", "second"), ("commit", "second")]
    assert json.loads(content(hub, "adapter_config.json"))["base_model_name_or_path"] == "maker/base-7b"


def test_a_dry_run_asks_no_hub(folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    hub.error = AssertionError("asked")
    assert main(["push", str(folder), "me/kept", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "repository: me/kept, private if it is made now" in printed
    assert "7 bytes  adapter_model.safetensors" in printed
    assert "base_model_relation: adapter" in printed
    assert "predictions.jsonl" not in printed
    assert hub.asked == []


def test_a_repository_that_is_public_is_refused_unless_asked_for(
    folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.private = False
    assert main(["push", str(folder), "me/kept"]) == 2
    assert "is there and public; give --public" in capsys.readouterr().err
    assert hub.files == {}
    assert main(["push", str(folder), "me/kept", "--public"]) == 0
    assert "(public)" in capsys.readouterr().out


def refused(status: int) -> HfHubHTTPError:
    response: Any = SimpleNamespace(status_code=status, headers={}, request=None)
    return HfHubHTTPError(f"{status} Client Error", response=response)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (LocalTokenNotFoundError("no token"), "not logged in; run `hf auth login`"),
        (OfflineModeIsEnabled("offline mode is enabled"), "cannot be reached (OfflineModeIsEnabled: offline mode"),
        (OSError("no route\nto host"), "cannot be reached (OSError: no route to host)"),
        (refused(401), "the token is not valid"),
        (refused(403), "may not write there"),
        (refused(500), "the hub refuses: 500 Client Error"),
    ],
)
def test_the_hub_fails_in_one_line(
    folder: Path, hub: Hub, error: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.error = error
    assert main(["push", str(folder), "me/kept"]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1
    assert hub.files == {}


def test_wrong_arguments_are_refused_before_the_hub_is_asked(
    folder: Path, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str) -> str:
        assert main(["push", *words, "--dry-run"]) == 2
        printed = capsys.readouterr().err
        assert printed.count("\n") == 1
        return printed

    assert "REPO kept: is no name of a repository, which is OWNER/NAME" in said(str(folder), "kept")
    assert "there is no adapter_config.json" in said(str(tmp_path), "me/kept")
    (folder / "README.md").write_text(f'---\nbase_model: "{LOCAL}"\n---\n')
    assert f"base_model '{LOCAL}' is not the id of a model on the hub" in said(str(folder), "me/kept")
    (folder / "README.md").write_text("---\na: [\n---\n")
    assert "cannot be read" in said(str(folder), "me/kept")
    (folder / "README.md").write_text("# no metadata\n")
    (folder / "training.json").write_text("{")
    assert "training.json: is no JSON object" in said(str(folder), "me/kept")
    assert hub.asked == []


def test_the_command_imports_no_torch(folder: Path) -> None:
    code = "import sys\nfrom stillright.cli import main\n"
    code += f"assert main(['push', {str(folder)!r}, 'me/kept', '--dry-run']) == 0\n"
    code += "assert not {'torch', 'transformers', 'lm_eval', 'huggingface_hub'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment(), capture_output=True)
