"""Every error a user can cause, one line each: the object, the offending value, the rule, the fix.

    StillrightError
    ├── ConfigError     what was written in update.yaml, with --set or as a flag
    ├── DataError       rows of samples: training data, test data, predictions
    │   └── NothingScored   no sample has a verdict or a score, so nothing can be compared
    ├── TaskError       a task that does not exist, or that cannot be trained on
    ├── ModelError      a base, an adapter or a tokenizer
    ├── RunError        the run folder: in use, not writable, damaged
    ├── HubError        the Hugging Face Hub, to upload to: unreachable, refuses, not logged in
    ├── JudgeError      the endpoint of a judge: unreachable, refuses, does not reply
    └── MissingExtra    packages that are needed but not installed

The command line prints the message and exits with 2.
"""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

QUOTED = 300  # letters of another library's message, at most

_on_command_line = ContextVar("on_command_line", default=False)


class StillrightError(Exception):
    """An error whose message is meant for the user."""


class ConfigError(StillrightError):
    """A key or value in a configuration is wrong."""


class DataError(StillrightError):
    """A file of samples is missing, malformed, empty, or does not fit another one."""


class NothingScored(DataError):  # noqa: N818 - what is wrong is the name
    """No sample is scored in every file: the gate cannot tell."""


class TaskError(StillrightError):
    """A task is unknown or not of a supported kind."""


class ModelError(StillrightError):
    """A base, adapter or tokenizer cannot be used."""


class RunError(StillrightError):
    """The run folder cannot be used."""


class HubError(StillrightError):
    """The Hugging Face Hub does not take an upload."""


class JudgeError(StillrightError):
    """The endpoint of a judge cannot be used."""


class MissingExtra(StillrightError):  # noqa: N818 - what is missing is the name
    """Packages of an optional extra are not installed."""


def missing_extra(what: str, extra: str, why: object = None) -> MissingExtra:
    """The error that `what` needs the packages of an extra; why: what their import says, if that is known."""
    said = "" if why is None else f" ({why})"
    return MissingExtra(
        f"{what} needs packages that cannot be imported{said}; install them with: pip install 'stillright[{extra}]'"
    )


@contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
    """Around the import of a package of an extra. Raises MissingExtra, naming what needs it, without it."""
    try:
        yield
    except ImportError as error:
        raise missing_extra(what, extra, error) from None


@contextmanager
def on_command_line() -> Iterator[None]:
    """Errors within name the options of the command line."""
    token = _on_command_line.set(True)
    try:
        yield
    finally:
        _on_command_line.reset(token)


def spelled(*, command: str, python: str) -> str:
    """How a user of the command line, or of the library, gives an argument; for the fix in an error."""
    return command if _on_command_line.get() else python


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """ "did you mean 'X'?" of the known name that `word` is probably meant to be, whatever its case; else empty.

    cutoff: how alike they must be, 1 for equal ones.
    """
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=cutoff)
    return f"did you mean {names[close[0]]!r}?" if close else ""


def one_line(error: BaseException) -> str:
    """The message of any error without line breaks; its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def cut(error: BaseException) -> str:
    """The start of another library's message, in one line: it may quote a damaged file at length."""
    return one_line(error)[:QUOTED]


@contextmanager
def refusing(kind: type[StillrightError], what: str, fix: str = "") -> Iterator[None]:
    """Any error that is not ours becomes one of `kind` that says `what`, why and `fix`; other libraries, and code of
    tasks, raise all kinds."""
    try:
        yield
    except StillrightError:
        raise
    except Exception as error:
        raise kind(f"{what} ({type(error).__name__}: {cut(error)}){fix}") from None
