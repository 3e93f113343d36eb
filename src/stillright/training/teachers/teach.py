"""Teachers run as stages of a folder: what is there from the same inputs is read, what was interrupted goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from stillright import ranks
from stillright.forward.passes import Collate
from stillright.inputs import lesson_inputs
from stillright.progress import Progress
from stillright.training.teachers.forms import Form
from stillright.training.teachers.run import PADDED, Readable, run_teacher
from stillright.workspace import Workspace


class Lesson(NamedTuple):
    """What both teachers read, and how what they say is kept."""

    texts: Sequence[Readable]
    key: Mapping[str, Any]  # what determines the texts and the precision
    form: Form
    vocabulary: int  # number of the first pieces that both speak of
    collate: Collate = PADDED


def teach(
    workspace: Workspace,
    name: str,
    result: str,
    model: str,
    load: Callable[[], Any],
    lesson: Lesson,
    progress: Progress,
) -> Path:
    """The folder `result` of what the model that `load` gives says.

    name: what the log calls the teacher. model: what determines it.
    """

    def build(work: Path, out: Path) -> None:
        run_teacher(
            load(),
            lesson.texts,
            work / "said",
            progress,
            f"{name} teacher",
            lesson.vocabulary,
            lesson.form,
            lesson.collate,
        )
        ranks.on_main(lambda: (work / "said").replace(out))

    inputs = lesson_inputs(model, lesson.key, lesson.form._asdict(), lesson.vocabulary)
    return workspace.stage(f"teach-{Path(result).name}", result, inputs, build)
