"""What went wrong, in one line that says what a user can do, whatever was raised."""

from __future__ import annotations

import errno

from stillright.errors import ConfigError, DataError, RunError, StillrightError, cut, missing_extra, one_line

TRAIN_PACKAGES = {"torch", "transformers", "trl", "peft", "accelerate", "datasets", "lm_eval", "filelock"}
THEIR_PACKAGES = {"huggingface_hub", "jinja2"}  # which come with those


def explained(error: BaseException) -> StillrightError | None:
    """The error with what a user can do about it; None for a bug of ours."""
    if isinstance(error, StillrightError):
        return error
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] in TRAIN_PACKAGES | THEIR_PACKAGES:
        return missing_extra("this command", "train", error)
    if isinstance(error, MemoryError):
        return RunError("not enough memory; compare fewer samples at a time, or use a machine with more")
    if type(error).__name__ == "PanicException":  # of Polars, which is no Exception
        return DataError(f"the results cannot be read as a table ({cut(error)}); check the files")
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left on device" in str(error):
        where = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
        return RunError(
            f"{where}the disk is full; free some space and run the same command again, it continues where it stopped"
        )
    if isinstance(error, OSError) and error.filename and not isinstance(error, BrokenPipeError):
        return ConfigError(f"{error.filename}: {error.strerror}; give another path")
    return None


def reason_of(error: BaseException) -> str:
    """The same in one line, for any error and for an interruption."""
    if isinstance(error, KeyboardInterrupt):
        return "it was interrupted"
    known = explained(error)
    return one_line(known) if known else f"{type(error).__name__}: {one_line(error)} (a bug in stillright)"
