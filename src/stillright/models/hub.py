"""The commit of a repository on the Hugging Face hub, or in its local cache. Downloads nothing."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from stillright.errors import ModelError


@cache
def commit_of(name: str, revision: str | None) -> str:
    """The commit of a hub id, asked once by a process, so that all it loads belongs together; without the hub the one
    in the local cache. Raises ModelError where there is none."""
    from huggingface_hub import HfApi

    try:
        return str(HfApi().model_info(name, revision=revision).sha)
    except Exception:  # of the hub, or of its HTTP library
        return _cached_commit(name, revision)


def _cached_commit(name: str, revision: str | None) -> str:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    shown = f"{name}@{revision}" if revision else name
    try:
        for file in ("config.json", "adapter_config.json"):
            path = try_to_load_from_cache(name, file, revision=revision)
            if isinstance(path, str):
                return Path(path).parent.name
    except HFValidationError:
        raise ModelError(f"model {shown}: neither a folder nor a hub id, which is OWNER/NAME; check the path") from None
    raise ModelError(
        f"model {shown}: neither a folder nor in the local cache, and the hub cannot be reached or does not have it; "
        "give a folder, or download it first"
    )
