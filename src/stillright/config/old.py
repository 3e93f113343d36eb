"""The key `old` of update.yaml: a model, or what is left of one, files of its answers. Opens no file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag

from stillright.config.masks import FROM_ANSWERS, Mask
from stillright.config.strict import GivenPath, Strict


class OldAnswers(Strict):
    """What is left of an old model that is gone: files or folders that `stillright compare` reads."""

    train: GivenPath | None = Field(
        None, description="its answers to training rows, which the compat adapter learns from"
    )
    test: GivenPath = Field(description="its answers to the rows to predict, which are compared")

    def unusable(self, mask: Mask) -> str | None:
        """Why no compat adapter can be made from these with this strategy; None where one can."""
        if mask not in FROM_ANSWERS:
            return (
                f"strategy.mask {mask} needs the old model itself, and old gives only its answers; use choice or "
                "choice_mixture where answers are chosen, old_answers where they are generated"
            )
        if self.train is None:
            return "old: no answers to training rows, which alignment learns from; give old.train too, or align: false"
        return None


def _of_a_file(value: Any) -> Any:
    """A text is a model, unless it names a file: then that holds all the answers there are."""
    is_file = isinstance(value, str) and Path(value).is_file()
    return {"train": value, "test": value} if is_file else value


Old = Annotated[
    Annotated[str, Tag("(model)")] | Annotated[OldAnswers, Tag("(answers)")],
    Discriminator(lambda value: "(answers)" if isinstance(value, dict | OldAnswers) else "(model)"),
    BeforeValidator(_of_a_file),
]
