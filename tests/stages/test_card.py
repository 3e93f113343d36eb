"""What a card tells of a base and of data: what the hub knows by the same name, and never a path of this machine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stillright.hub import Base
from stillright.models import Source
from stillright.stages.card import base_of, dataset_of

COMMIT = "0123456789abcdef"


def test_of_a_folder_only_its_license_is_told(tmp_path: Path) -> None:
    assert base_of(Source(str(tmp_path))) == Base()
    (tmp_path / "README.md").write_text("---\nlicense: other\nlicense_name: own\nlicense_link: LICENSE\n---\n")
    assert base_of(Source(str(tmp_path))) == Base(license={"license": "other", "license_name": "own"})
    (tmp_path / "README.md").write_text("---\nlicense: [\n---\n")
    assert base_of(Source(str(tmp_path))) == Base()


def test_of_a_base_of_the_hub_id_commit_and_license_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    (tmp_path / "README.md").write_text("---\nlicense: other\nlicense_link: LICENSE.txt\n---\n# A base\n")

    def download(*place: str, revision: str) -> str:
        asked.append((*place, revision))
        return str(tmp_path / "README.md")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: SimpleNamespace(sha=COMMIT))
    found = base_of(Source("maker/base-of-a-card", "main"))
    link = "https://huggingface.co/maker/base-of-a-card/blob/main/LICENSE.txt"
    assert found == Base("maker/base-of-a-card", COMMIT, {"license": "other", "license_link": link})
    assert asked == [("maker/base-of-a-card", "README.md", COMMIT)]


def test_a_hub_that_cannot_be_reached_costs_the_license_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise OSError("no route")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: SimpleNamespace(sha=COMMIT))
    assert base_of(Source("maker/base-far-away")) == Base("maker/base-far-away", COMMIT)


@pytest.mark.parametrize(
    ("path", "arguments", "told"),
    [
        ("ybisk/piqa", None, "ybisk/piqa"),
        ("ybisk/piqa", {"data_files": "rows.json"}, None),
        ("json", None, None),
        (None, None, None),
    ],
)
def test_data_are_named_where_the_hub_has_them(path: str | None, arguments: Any, told: str | None) -> None:
    config = SimpleNamespace(dataset_path=path, dataset_kwargs=arguments)
    data: Any = SimpleNamespace(task=SimpleNamespace(harness=SimpleNamespace(config=config)))
    assert dataset_of(data) == told
