"""Builds what is published, checks it, and tries it in fresh environments. Uploads nothing.

    make release                        # dist/: an sdist, the wheel of stillright, the wheel of stillright-demo
    make release RELEASE=--full         # also installs torch and runs a short demo; gigabytes, minutes per Python
    make release RELEASE=--tag          # then tags the commit; .github/workflows/release.yml publishes a pushed tag

Needs the packages build and twine, git, and a package registry.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
DATA = "src/stillright/demo/data/"
LIGHT_LIMIT = 1_000_000  # bytes of the wheel that everybody fetches
EXAMPLE = ROOT / "examples" / "ci"
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # which hides a wheel
SHORT_DEMO = ("task.train_limit=100", "task.test_limit=60", "strategy.mask=student_wrong")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION = PROJECT["version"]
WHEEL = DIST / f"stillright-{VERSION}-py3-none-any.whl"
DEMO_WHEEL = DIST / f"stillright_demo-{VERSION}-py3-none-any.whl"
SDIST = DIST / f"stillright-{VERSION}.tar.gz"


class ReleaseError(Exception):
    """Why this must not be released, in one line."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="also install the extra demo and run a short demo")
    parser.add_argument("--tag", action="store_true", help=f"tag this commit v{VERSION} once everything holds")
    args = parser.parse_args()
    try:
        check_tags(git("tag", "--points-at", "HEAD").split())
        if args.tag:
            check_ready()
        build()
        check_built()
        try_everywhere([light, full] if args.full else [light])
        if args.tag:
            git("tag", "--annotate", f"v{VERSION}", "--message", f"stillright {VERSION}")
            print(f"tagged v{VERSION}; publish it with: git push origin v{VERSION}")
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


def run(*command: str | Path, code: int = 0, cwd: Path = ROOT) -> str:
    """Standard output and error of a command. Raises ReleaseError where it ends with another exit code."""
    done = subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode != code:
        words = " ".join(map(str, command))
        raise ReleaseError(f"{words}: exit code {done.returncode}, not {code}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def git(*words: str) -> str:
    return run("git", *words)


def check_tags(tags: Collection[str]) -> None:
    """Raises ReleaseError where the commit is tagged as another version."""
    others = [tag for tag in tags if tag.startswith("v") and tag != f"v{VERSION}"]
    if others:
        raise ReleaseError(f"tag {others[0]}: pyproject.toml has version {VERSION}; tag the commit v{VERSION}")


def check_ready() -> None:
    """Raises ReleaseError where this commit cannot be tagged."""
    if git("status", "--porcelain"):
        raise ReleaseError("the working tree has changes; commit them, since a tag names a commit")
    if git("tag", "--list", f"v{VERSION}"):
        raise ReleaseError(f"tag v{VERSION} exists; raise the version in pyproject.toml")
    check_changelog((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))


def check_changelog(text: str) -> None:
    """Raises ReleaseError where the newest section is not that of this version."""
    heading = next((line for line in text.splitlines() if line.startswith("## ")), "")
    if not re.fullmatch(rf"## {re.escape(VERSION)} \(\d{{4}}-\d\d-\d\d\)", heading):
        raise ReleaseError(f"CHANGELOG.md begins with {heading!r}; write the day: '## {VERSION} (2026-12-31)'")


def build() -> None:
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", DIST, ROOT)  # the wheel is built from the sdist
    run(sys.executable, "-m", "build", "--wheel", "--outdir", DIST, ROOT / "packages" / "demo")


def check_built() -> None:
    """Raises ReleaseError where a file is too large, holds other files than git knows, or would not show on PyPI."""
    tracked = set(git("ls-files", "-z").split("\0")) - {""}
    light = {f.removeprefix("src/") for f in tracked if f.startswith("src/stillright/") and not f.startswith(DATA)}
    demo = {f"stillright_demo/data/{f.removeprefix(DATA)}" for f in tracked if f.startswith(DATA)}
    demo |= {f"stillright_demo/{name}" for name in ("__init__.py", "LICENSE", "NOTICE")}
    check_names(WHEEL, files_of_wheel(WHEEL), light)
    check_names(DEMO_WHEEL, files_of_wheel(DEMO_WHEEL), demo)
    check_names(SDIST, files_of_sdist(SDIST) - {"PKG-INFO"}, tracked)
    check_size(WHEEL)
    run(sys.executable, "-m", "twine", "check", "--strict", *DIST.iterdir())
    for path in (SDIST, WHEEL, DEMO_WHEEL):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e6:.2f} MB, checked")


def files_of_wheel(path: Path) -> set[str]:
    """What a wheel installs, without its metadata."""
    with zipfile.ZipFile(path) as wheel:
        return {name for name in wheel.namelist() if ".dist-info/" not in name}


def files_of_sdist(path: Path) -> set[str]:
    """Paths within the one folder of an sdist."""
    with tarfile.open(path) as sdist:
        return {member.name.partition("/")[2] for member in sdist.getmembers() if member.isfile()}


def check_names(path: Path, found: Collection[str], expected: Collection[str]) -> None:
    """Raises ReleaseError, with one file as an example, where files are too many or missing."""
    for name in sorted(set(found) - set(expected)):
        raise ReleaseError(f"{path.name} holds {name}, which git does not track; commit or delete it")
    for name in sorted(set(expected) - set(found)):
        raise ReleaseError(f"{path.name} lacks {name}, which git tracks; see what pyproject.toml leaves out")


def check_size(path: Path) -> None:
    size = path.stat().st_size
    if size > LIGHT_LIMIT:
        raise ReleaseError(
            f"{path.name} has {size:,} bytes, more than {LIGHT_LIMIT:,}; what is only trained with goes elsewhere"
        )


def try_everywhere(trials: list[Callable[[Path, Path], None]]) -> None:
    """Each trial in a fresh environment of each supported Python.

    Raises ReleaseError where a trial fails, or no Python is found.
    """
    found = {version: interpreter(version) for version in supported()}
    if not any(found.values()):
        raise ReleaseError(f"no Python of {', '.join(found)} found; install one")
    for version, python in found.items():
        if python is None:
            print(f"python{version}: not found, not tried")
            continue
        for trial in trials:
            with tempfile.TemporaryDirectory() as folder:
                run(python, "-m", "venv", "env", cwd=Path(folder))
                trial(Path(folder, "env", "bin"), Path(folder))
            print(f"python{version}: {trial.__name__} install works ({python})")


def supported() -> list[str]:
    """The versions of Python in pyproject.toml."""
    classifiers = "\n".join(PROJECT["classifiers"])
    return re.findall(r"^Programming Language :: Python :: (\d\.\d+)$", classifiers, flags=re.MULTILINE)


def interpreter(version: str) -> Path | None:
    """A Python of a version, on the PATH or of pyenv, that can make environments; None where there is none."""
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [shutil.which(name), *sorted(pyenv.glob(f"versions/{version}.*/bin/{name}"))]
    return next((Path(each) for each in candidates if each and makes_environments(each)), None)


def makes_environments(python: str | Path) -> bool:
    """Not a shim without a Python behind it, nor one of Debian without venv."""
    return subprocess.run([python, "-c", "import ensurepip"], capture_output=True).returncode == 0


def light(env: Path, folder: Path) -> None:
    """What who only compares does first."""
    run(env / "pip", "install", "--quiet", WHEEL)
    run(env / "stillright", "compare", "--example", "--html", "report.html", cwd=folder)
    results = (EXAMPLE / "old.jsonl", EXAMPLE / "new.jsonl")
    run(env / "stillright", "gate", *results, "--policy", EXAMPLE / "policy.yaml", cwd=folder)
    said = run(env / "stillright", "demo", code=2, cwd=folder)
    if "stillright[demo]" not in said:
        raise ReleaseError(f"stillright demo without its extra does not name it: {said}")


def full(env: Path, folder: Path) -> None:
    """A short demo, of the two wheels together."""
    run(env / "pip", "install", "--quiet", f"{WHEEL}[demo]", DEMO_WHEEL)
    settings = [word for setting in SHORT_DEMO for word in ("--set", setting)]
    run(env / "stillright", "demo", *settings, cwd=folder)


if __name__ == "__main__":
    sys.exit(main())
