"""One string that names a base and perhaps an adapter, and what determines their content. Loads nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stillright import ranks
from stillright.digest import model_folder_digest
from stillright.errors import ModelError
from stillright.models.hub import commit_of


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
        return None if self.path else commit_of(self.name, self.revision)

    def fingerprint(self) -> str:
        """What determines the content: of a folder the files that are read, of a hub id its name and commit."""
        return model_folder_digest(self.path) if self.path else f"{self.name}@{self.commit}"


@dataclass(frozen=True)
class ModelRef:
    """`base[@revision][+adapter[@revision]]`; parses and prints back."""

    base: Source
    adapter: Source | None = None

    @classmethod
    def parse(cls, text: str) -> ModelRef:
        """A "+" may be part of a folder's name: the base is the longest folder that `text` begins with, if there is
        one. Raises ModelError for an empty base or adapter."""
        cuts = (cut for cut in _cuts(text) if Path(cut[0]).is_dir())
        base, plus, adapter = next(cuts, text.partition("+"))
        if not base or (plus and not adapter):
            raise ModelError(f"model {text!r}: expected base[@revision][+adapter]")
        return cls(Source.parse(base), Source.parse(adapter) if adapter else None)

    def __str__(self) -> str:
        return f"{self.base}+{self.adapter}" if self.adapter else str(self.base)

    def with_adapter(self, folder: Path) -> ModelRef:
        """The same base with another adapter."""
        return ModelRef(self.base, Source(str(folder)))

    def fingerprint(self) -> str:
        """What determines the model's weights and tokenizer. Of several processes the main one reads the files."""
        return ranks.on_main(
            lambda: f"{self.base.fingerprint()}+{self.adapter.fingerprint() if self.adapter else None}"
        )


def _cuts(text: str) -> Iterator[tuple[str, str, str]]:
    """All ways to cut a model into base, "+" and adapter, the longest base first."""
    yield text, "", ""
    base, plus, adapter = text.rpartition("+")
    while plus:
        yield base, plus, adapter
        base, plus, rest = base.rpartition("+")
        adapter = f"{rest}+{adapter}"
