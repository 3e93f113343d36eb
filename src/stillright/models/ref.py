"""One string that names a base and perhaps an adapter, and what determines their content: of a repository on the
Hugging Face hub, or in its local cache, the commit. Downloads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stillright import ranks
from stillright.digest import model_folder_digest
from stillright.errors import ModelError


@dataclass(frozen=True)
class Source:
    """A folder, or a hub id with perhaps a revision."""

    name: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> Source:
        """ "folder", "id" or "id@revision"."""
        if Path(text).is_dir() or "@" not in text:
            return cls(text)
        name, _, revision = text.rpartition("@")
        return cls(name, revision)

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}" if self.revision else self.name

    @property
    def path(self) -> Path | None:
        """The folder, where it is one."""
        folder = Path(self.name)
        return folder if folder.is_dir() else None

    @property
    def location(self) -> str:
        """What `from_pretrained` takes: an absolute folder or the hub id."""
        return str(self.path.resolve()) if self.path else self.name

    @property
    def commit(self) -> str | None:
        """Of a hub id the commit that this process reads, see `commit_of`; of a folder None."""
        return None if self.path else commit_of(self)

    def fingerprint(self) -> str:
        """What determines the content: of a folder the files that are read, of a hub id its name and commit."""
        return model_folder_digest(self.path) if self.path else f"{self.name}@{self.commit}"


@cache
def commit_of(source: Source) -> str:
    """The commit of a hub id, asked once by a process, so that all it loads belongs together; without the hub the one
    in the local cache. Raises ModelError where there is none."""
    from huggingface_hub import HfApi

    try:
        return str(HfApi().model_info(source.name, revision=source.revision).sha)
    except Exception:  # of the hub, or of its HTTP library
        return _cached_commit(source)


def _cached_commit(source: Source) -> str:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        for file in ("config.json", "adapter_config.json"):
            path = try_to_load_from_cache(source.name, file, revision=source.revision)
            if isinstance(path, str):
                return Path(path).parent.name
    except HFValidationError:
        raise ModelError(
            f"model {source}: neither a folder nor a hub id, which is OWNER/NAME; check the path"
        ) from None
    raise ModelError(
        f"model {source}: neither a folder nor in the local cache, and the hub cannot be reached or does not have it; "
        "give a folder, or download it first"
    )


@dataclass(frozen=True)
class ModelRef:
    """`base[@revision][+adapter[@revision]]`; parses and prints back."""

    base: Source
    adapter: Source | None = None

    @classmethod
    def parse(cls, text: str) -> ModelRef:
        """A "+" may be part of a folder's name: the base is the longest folder that `text` begins with, if there is
        one. Raises ModelError for an empty base or adapter."""
        parts = text.split("+")
        cuts = [("+".join(parts[:n]), "+".join(parts[n:])) for n in range(len(parts), 0, -1)]
        base, adapter = next((cut for cut in cuts if Path(cut[0]).is_dir()), cuts[-1])
        names = (base, adapter) if adapter or base != text else (base,)
        if not all(name.partition("@")[0].strip() for name in names):  # Path("") would be the current folder
            raise ModelError(f"model {text!r}: expected base[@revision][+adapter]")
        return cls(Source.parse(base), Source.parse(adapter) if adapter else None)

    def __str__(self) -> str:
        return f"{self.base}+{self.adapter}" if self.adapter else str(self.base)

    def fingerprint(self) -> str:
        """What determines the model's weights and tokenizer. Of several processes the main one reads the files."""
        return ranks.on_main(
            lambda: f"{self.base.fingerprint()}+{self.adapter.fingerprint() if self.adapter else None}"
        )
