"""The folder of an adapter -> a repository of the Hugging Face Hub.

What goes is a list: weights, settings, card and accounts of how it was made. Predictions, flips, reports and
comparison.json never do, since they quote prompts and answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from stillright.errors import ConfigError, HubError, ModelError, StillrightError, cut, needs
from stillright.hub.card import CARD, REPOSITORY
from stillright.hub.front_matter import front_matter, is_hub_id

WEIGHTS, SETTINGS = "adapter_model.safetensors", "adapter_config.json"
ACCOUNTS = ("training.json", "transfer.json", "search.json")  # numbers of how it was made, where they are there
NAMES_BASES = "not_followed"  # key of an account whose text names bases, which may be folders of this machine
BASE = "base_model_name_or_path"
REFUSALS = {
    401: "the token is not valid; run `hf auth login`, or set HF_TOKEN",
    403: "the token may not write there; use one that may, or another OWNER",
}


class File(NamedTuple):
    """A file of the repository: bytes, or where they are."""

    name: str
    content: bytes | Path

    @property
    def size(self) -> int:
        """In bytes."""
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)


class Upload(NamedTuple):
    """What goes where. metadata: the YAML of the card, as text."""

    repository: str
    files: list[File]
    metadata: str


class Pushed(NamedTuple):
    """Where it is now."""

    url: str
    is_private: bool


def upload_of(folder: Path, repository: str) -> Upload:
    """What `push` uploads of an adapter's folder, without asking the hub.

    Raises ConfigError for a name that no repository can have, ModelError where the folder has no adapter with a card,
    or the card names a base that is not on the hub, DataError for a card whose YAML is malformed.
    """
    if not is_hub_id(repository):
        raise ConfigError(
            f"REPO {repository}: is no name of a repository, which is OWNER/NAME, of letters, digits and . _ - between "
            "them"
        )
    for name in (SETTINGS, WEIGHTS, CARD):
        if not (folder / name).is_file():
            raise ModelError(
                f"{folder}: is no adapter to push: there is no {name}; give a folder that `stillright run`, align, "
                "transfer or fit has written, such as OUT/adapters/compat"
            )
    text = (folder / CARD).read_text(encoding="utf-8")
    metadata, values = front_matter(text, str(folder / CARD))
    _refuse_local_base(values.get("base_model"), folder / CARD)
    files = [
        File(CARD, text.replace(REPOSITORY, repository).encode()),
        File(SETTINGS, _settings(folder / SETTINGS, values.get("base_model"))),
        File(WEIGHTS, folder / WEIGHTS),
        *(File(name, _account(folder / name)) for name in ACCOUNTS if (folder / name).is_file()),
    ]
    return Upload(repository, files, metadata)


def _refuse_local_base(base: Any, card: Path) -> None:
    if base is not None and not (isinstance(base, str) and _is_on_hub(base)):
        raise ModelError(
            f"{card}: base_model {base!r:.200} is not the id of a model on the hub, which is OWNER/NAME; change that "
            "line, or leave it out"
        )


def _is_on_hub(base: str) -> bool:
    return is_hub_id(base, needs_owner=False) and not Path(base).exists()


def _settings(file: Path, base: str | None) -> bytes:
    """PEFT's settings with the base that the card names, and none where it is a folder of this machine."""
    settings = _read(file)
    known = settings.get(BASE)
    settings[BASE] = base or (known if isinstance(known, str) and _is_on_hub(known) else None)
    return _written(settings)


def _account(file: Path) -> bytes:
    return _written({key: value for key, value in _read(file).items() if key != NAMES_BASES})


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ModelError(f"{file}: is no JSON object; the adapter is damaged, make it again")
    return found


def _written(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()


def push(upload: Upload, public: bool = False, revision: str | None = None) -> Pushed:
    """Uploads in one commit, to a repository that is made where there is none.

    public: whether everybody may see a new repository; one that is there stays as it is. revision: a branch, made from
    main where there is none. Raises ConfigError for a repository that is public already unless `public`, HubError where
    the hub cannot be reached or refuses, MissingExtra without its library.
    """
    with needs("remote", "push"):
        from huggingface_hub import CommitOperationAdd, HfApi

    hub, repository = HfApi(), upload.repository
    with _explained(repository):
        hub.whoami()  # before anything is made
        hub.create_repo(repository, private=not public, exist_ok=True)
        is_private = bool(hub.model_info(repository).private)
        if not (public or is_private):
            raise ConfigError(f"REPO {repository}: is there and public; give --public, or another name")
        if revision is not None:
            hub.create_branch(repository, branch=revision, exist_ok=True)
        operations = [CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=file.content) for file in upload.files]
        done = hub.create_commit(repository, operations, commit_message="Adapter and card", revision=revision)
    return Pushed(str(done.commit_url), is_private)


@contextmanager
def _explained(repository: str) -> Iterator[None]:
    """Whatever the hub's library raises becomes a HubError that says what to do."""
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    try:
        yield
    except StillrightError:
        raise
    except LocalTokenNotFoundError:
        raise HubError(f"REPO {repository}: you are not logged in; run `hf auth login`, or set HF_TOKEN") from None
    except HfHubHTTPError as error:
        reason = REFUSALS.get(error.response.status_code, cut(error))
        raise HubError(f"REPO {repository}: the hub refuses: {reason}") from None
    except Exception as error:  # of its HTTP library, or of the network
        raise HubError(
            f"REPO {repository}: the hub cannot be reached ({type(error).__name__}: {cut(error)}); check "
            "the network, and run the same command again"
        ) from None
