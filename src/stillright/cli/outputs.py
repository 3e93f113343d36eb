"""The files that a command writes: whole or not at all, in place of no input, and after a failure none that looks like
a success, not even one of an earlier run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from stillright.cli.command import STANDARD_OUTPUT
from stillright.cli.failures import reason_of
from stillright.cli.paths import STANDARD_INPUT, path, path_of, table_path
from stillright.errors import ConfigError
from stillright.folder.files import write_atomically

Contents = Mapping[str, str | bytes]  # by option
TYPES = {"--flips": table_path}  # of options that take fewer paths than others
UNFINISHED = "it has not finished: it still runs, or was killed"


def add_outputs(parser: argparse.ArgumentParser, **meanings: str) -> None:
    """An option for each file that the command can write."""
    for name, meaning in meanings.items():
        parser.add_argument(
            f"--{name}", type=_type_of(f"--{name}"), metavar="FILE", help=f"{meaning}; - prints it alone"
        )
    parser.set_defaults(outputs=tuple(meanings))


def _type_of(option: str) -> Callable[[str], Path]:
    return TYPES.get(option, path)


def outputs(args: argparse.Namespace) -> dict[str, Path]:
    """The files to write, by option."""
    return {f"--{name}": path for name in args.outputs if (path := getattr(args, name)) is not None}


@contextmanager
def saying_failures(
    outputs: Mapping[str, Path], inputs: Iterable[str | Path | None], failed: Callable[[str], Contents]
) -> Iterator[None]:
    """Until they are written, the outputs say that the command has not finished; after any failure within, what it was.

    inputs: paths; those of results may end in ::KEY=VALUE. failed: the texts that say a reason.
    Raises ConfigError if an output is also an input or another output, and what writing raises.
    """
    refused = _conflicts(outputs, inputs)
    if refused:
        error = ConfigError(next(iter(refused.values())))
        _replace_old({name: file for name, file in outputs.items() if name not in refused}, failed(reason_of(error)))
        raise error
    try:
        files = {name: file for name, file in outputs.items() if not _is_stream(file)}
        if files:
            write(files, failed(UNFINISHED))
        yield
    except BrokenPipeError:  # the reader of what is printed has seen enough; what is written stands
        raise
    except BaseException as error:
        for name, content in failed(reason_of(error)).items():
            if name in outputs:
                _leave(outputs[name], content)
        raise


def replace_old(words: Sequence[str], names: Iterable[str], failed: Contents) -> None:
    """After a mistake in the `words` of a command, what an earlier run wrote to its outputs says that this one failed.

    names: of the options. An output that may also be an input is left alone.
    """
    found: dict[str, Path] = {}
    others = []
    left = iter(words)
    for word in left:
        option, equals, value = word.partition("=")
        if option not in names:
            others += [word, value]
        else:
            with suppress(argparse.ArgumentTypeError):  # no output of this command has such a name
                found[option] = _type_of(option)(value if equals else next(left, ""))
    refused = _conflicts(found, filter(None, others))
    _replace_old({name: file for name, file in found.items() if name not in refused}, failed)


def write(outputs: Mapping[str, Path], contents: Contents) -> None:
    """Writes each output. Raises ConfigError for a path that cannot be a file, and OSError that names it."""
    for name, file in outputs.items():
        try:
            _write(file, contents[name])
        except OSError as error:
            there = error.filename if error.filename and not str(error.filename).endswith(".part") else file
            raise OSError(error.errno, error.strerror, str(there)) from None


def _write(file: Path, content: str | bytes) -> None:
    if file == STANDARD_OUTPUT:
        sys.stdout.write(content if isinstance(content, str) else content.decode())
        return
    if not file.name or file.is_dir():
        raise ConfigError(f"{file}: is not a file to write; give another path")
    file.parent.mkdir(parents=True, exist_ok=True)
    if _is_stream(file):
        file.write_bytes(_bytes(content))
    else:
        write_atomically(Path(os.path.realpath(file)), content)  # through a link


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _is_stream(file: Path) -> bool:
    """Whether it is no file of its own, such as /dev/stdout, /dev/fd/63 or a pipe."""
    return (
        file == STANDARD_OUTPUT
        or file.parts[:2] == ("/", "dev")
        or (file.exists() and not file.is_file() and not file.is_dir())
    )


def _replace_old(outputs: Mapping[str, Path], contents: Contents) -> None:
    for name, file in outputs.items():
        with suppress(OSError):
            if file.is_file() and not _is_stream(file):
                _leave(file, contents[name])


def _leave(file: Path, content: str | bytes) -> None:
    """Whatever it takes, the file won't stay as it is: it says `content`, or is gone. Streams are only written to."""
    for attempt in (lambda: _write(file, content), lambda: file.write_bytes(_bytes(content)), file.unlink):
        with suppress(Exception):
            attempt()
            return
        if _is_stream(file):
            return


def _conflicts(outputs: Mapping[str, Path], inputs: Iterable[str | Path | None]) -> dict[str, str]:
    """Why an output may not be written, by option: it is also an input, or another output."""
    read = {_identity(file): file for file in _read(inputs)}
    written: dict[object, str] = {}
    refused = {}
    for option, file in outputs.items():
        identity = _identity(file)
        if identity in read:
            refused[option] = f"{option} {file}: would replace {read[identity]}, which is read; give another path"
        elif written.setdefault(identity, option) != option:
            refused[option] = f"{option} {file}: is also written by {written[identity]}; give another path"
    return refused


def _identity(file: Path) -> object:
    """What two names of one file have in common, links of either kind included."""
    there = os.path.realpath(file)
    with suppress(OSError):
        found = Path(there).stat()
        return found.st_dev, found.st_ino
    return there


def _read(inputs: Iterable[str | Path | None]) -> Iterable[Path]:
    """The files, those in folders of results, and those read beside them."""
    from stillright.importers.harness_files import files_read

    for file in (
        Path(path_of(str(each))) for each in inputs if each is not None and path_of(str(each)) != STANDARD_INPUT
    ):
        yield file
        yield from files_read(file)
