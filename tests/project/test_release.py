"""What is published: the README on PyPI, versions that belong together, the checks of scripts/release.py, workflows."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import release
from places import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DEMO = tomllib.loads((ROOT / "packages" / "demo" / "pyproject.toml").read_text(encoding="utf-8"))
HOME = PYPROJECT["project"]["urls"]["Homepage"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))


def readme_on_pypi() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for each in PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(each["pattern"], each["replacement"].replace("$HFPR_VERSION", release.VERSION), text)
    return text


def test_links_on_pypi_lead_to_files_of_the_release() -> None:
    raw = HOME.replace("github.com", "raw.githubusercontent.com")
    places = (f"{HOME}/blob/v{release.VERSION}/", f"{raw}/v{release.VERSION}/")
    links = re.findall(r"\]\((.*?)\)", readme_on_pypi())
    assert all(link.startswith("https://") for link in links)
    ours = [link.removeprefix(place) for link in links for place in places if link.startswith(place)]
    assert "docs/demo.svg" in ours
    assert all((ROOT / path.partition("#")[0]).is_file() for path in ours)


def test_pictures_on_pypi_are_files_and_no_pages() -> None:
    pictures = re.findall(r"!\[[^]]*\]\((.*?)\)", readme_on_pypi())
    assert pictures
    assert all(link.startswith("https://raw.githubusercontent.com/") for link in pictures)


def test_the_extra_demo_requires_the_data_of_its_own_version() -> None:
    assert f"stillright-demo=={release.VERSION}" in PYPROJECT["project"]["optional-dependencies"]["demo"]
    source = DEMO["tool"]["hatch"]["version"]
    text = (ROOT / "packages" / "demo" / source["path"]).read_text(encoding="utf-8")
    assert [match["version"] for match in re.finditer(source["pattern"], text)] == [release.VERSION]


def test_the_action_of_the_example_is_this_version_of_this_repository() -> None:
    (used,) = re.findall(r"uses: (\w+/stillright@\S+)", (ROOT / "examples/ci/github.yml").read_text(encoding="utf-8"))
    assert used == f"{HOME.removeprefix('https://github.com/')}@v{release.VERSION}"


@pytest.mark.parametrize(
    ("found", "says"),
    [(["a.py", "b.py", "notes.txt"], "holds notes.txt, which git does not track"), (["a.py"], "lacks b.py, which git")],
)
def test_a_file_too_many_or_too_few_is_named(found: list[str], says: str) -> None:
    release.check_names(Path("x.whl"), ["a.py", "b.py"], ["b.py", "a.py"])
    with pytest.raises(release.ReleaseError, match=f"x.whl {says}"):
        release.check_names(Path("x.whl"), found, ["a.py", "b.py"])


def test_a_wheel_that_grew_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "x.whl"
    wheel.write_bytes(b"x" * 1_000_000)
    release.check_size(wheel)
    wheel.write_bytes(b"x" * 1_000_001)
    with pytest.raises(release.ReleaseError, match="1,000,001 bytes"):
        release.check_size(wheel)


def test_a_tag_of_another_version_is_refused() -> None:
    release.check_tags(["v" + release.VERSION, "nightly"])
    with pytest.raises(release.ReleaseError, match="tag v9.9.9: "):
        release.check_tags(["v9.9.9"])


@pytest.mark.parametrize("heading", ["(unreleased)", "", "(soon)"])
def test_a_changelog_without_a_day_is_not_tagged(heading: str) -> None:
    release.check_changelog(f"# Changelog\n\n## {release.VERSION} (2026-12-31)\n\n## 0.0.1\n")
    with pytest.raises(release.ReleaseError, match="write the day"):
        release.check_changelog(f"# Changelog\n\n## {release.VERSION} {heading}\n")


def test_a_python_is_found_on_the_path_or_of_pyenv_if_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim, real = tmp_path / "bin" / "python9.9", tmp_path / "versions" / "9.9.1" / "bin" / "python9.9"
    monkeypatch.setenv("PATH", str(shim.parent))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    for path, script in ((shim, "exit 127"), (real, f'exec "{sys.executable}" "$@"')):
        assert release.interpreter("9.9") is None
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    assert release.interpreter("9.9") == real


@pytest.mark.parametrize("target", [".venv/installed", "newest", "light", "audit", "release"])
def test_make_refuses_an_old_python_before_it_installs(target: str, tmp_path: Path) -> None:
    """A Python that says it is 3.10, and leaves a file behind if it is asked for anything else."""
    old = tmp_path / "python3.10"
    script = "import sys; sys.version_info = (3, 10, 13); exec(sys.argv[1])"
    old.write_text(f'#!/bin/sh\n[ "$1" = -c ] || touch used\nexec "{sys.executable}" -c "{script}" "$2"\n')
    old.chmod(0o755)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    command = ["make", "--file", str(ROOT / "Makefile"), target, f"PYTHON={old}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"stillright needs Python 3.11 or newer, and {old} is 3.10" in done.stderr
    assert not (tmp_path / "used").exists()


def workflow(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))["jobs"])


def test_workflows_try_every_supported_python() -> None:
    assert workflow("ci")["test"]["strategy"]["matrix"]["python-version"] == release.supported()
    for job in (workflow("ci")["package"], workflow("release")["build"]):
        (versions,) = [
            step["with"]["python-version"] for step in job["steps"] if "setup-python" in step.get("uses", "")
        ]
        assert versions.split() == release.supported()


def test_only_publishing_may_prove_who_it_is() -> None:
    jobs = {**workflow("ci"), **workflow("release")}
    assert [name for name, job in jobs.items() if "permissions" in job] == ["publish"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["needs"] == "build"
    for path in WORKFLOWS:
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_issue_forms_ask_something(form: Path) -> None:
    values = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert values.keys() == {"name", "description", "labels", "body"}
    names = [part["id"] for part in values["body"]]
    assert len(names) == len(set(names))
    assert any(part.get("validations", {}).get("required") for part in values["body"])


def test_the_citation_is_of_this_project() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["title"], citation["repository-code"]) == ("stillright", HOME)
    assert citation["version"] == release.VERSION
    assert citation["references"][0]["identifiers"][0]["value"] == "arXiv:2407.09435"
