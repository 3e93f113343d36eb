"""What to take from a log that holds several results. Knows no format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stillright.errors import DataError, did_you_mean, spelled

LISTED = 20  # names in an error
SHOWN = 80  # characters of each
NAMES = 1000  # among which a misspelt one is looked for


@dataclass(frozen=True)
class Selection:
    """What to take from a log that holds several results, and what else to keep of every sample."""

    task: str | None = None
    metric: str | None = None  # a scorer of Inspect, a named score of promptfoo
    filter: str | None = None  # of lm-evaluation-harness
    model: str | None = None  # a provider of promptfoo, an experiment of Langfuse or Braintrust
    prompt: str | None = None  # of promptfoo: its label, or its number from 1
    run: int | None = None  # an epoch of Inspect, a repeat of a sample, from 1
    anew: bool = False  # outputs are scored anew, so it does not matter how, or whether, the log scored them
    all_choices: bool = (
        True  # whether what every choice says, and how likely it is, is kept; flips and the page show it
    )
    columns: tuple[str, ...] = ()  # further columns to keep, as text, to slice by
    rename: Mapping[str, str] = field(default_factory=dict)  # our column -> theirs; of logs only `id` can be another
    preset: str | None = None  # the tool whose names the columns of tables have, see presets.py
    lower_is_better: bool = False  # of the metric, where files do not say so


KINDS = ("task", "metric", "filter", "model", "prompt", "run")  # what can be chosen


def refuse_unknown(selection: Selection, names: Mapping[str, Sequence[str]], place: str) -> None:
    """Raises DataError naming `place` if something is chosen that it does not have.

    names: for each kind of which a file of this format holds only one, what that one is called; empty where the
    format does not record it.
    """
    for kind, found in names.items():
        wanted = getattr(selection, kind)
        if wanted is not None and not found:
            given = spelled(command=f"--{kind} {wanted}", python=f"{kind}={wanted}")
            raise DataError(
                f"{place}: does not record a {kind}, so {given} cannot apply to it; apply it to the other files only "
                f"(in a command: FILE::{kind}={wanted})"
            )
        if wanted is not None:
            choose(kind, found, wanted, place)


def refuse_renaming(selection: Selection, place: str) -> None:
    """Raises DataError for a new name of a column: a log has its own, but any may be the id, or the right answer."""
    if selection.preset is not None:
        given = spelled(command=f"--preset {selection.preset}", python=f"preset={selection.preset}")
        raise DataError(
            f"{place}: is a log, whose columns are known; {given} is for tables (in a command: "
            f"FILE::preset={selection.preset})"
        )
    for ours, theirs in selection.rename.items():
        if ours in ("id", "reference"):
            continue
        raise DataError(
            f"{place}: is a log, where nothing can be renamed to {ours}; apply {ours}={theirs} to tables only (in a "
            f"command: FILE::{ours}={theirs})"
        )


def choose(
    kind: str, found: Iterable[str | int], wanted: str | int | None, place: str, usual: Sequence[str] = ()
) -> str:
    """The one of `found` that is wanted; if that is None, the only one, else the first of `usual` that is there.

    kind: what is chosen, also the name of the option. Raises DataError naming `place`.
    """
    names = list(dict.fromkeys(map(str, found)))
    if wanted is not None:
        if str(wanted) not in names:
            hint = did_you_mean(str(wanted), (name for name in names[:NAMES] if len(name) < SHOWN))
            raise DataError(f"{place}: no {kind} {str(wanted)!r}; {hint and hint + ' '}there is {listed(names)}")
        return str(wanted)
    if len(names) == 1:
        return names[0]
    for name in usual:
        if name in names:
            return name
    option = spelled(command=f"--{kind} {'N' if kind == 'run' else 'NAME'}", python=f"{kind}=NAME")
    several = f"several {kind}s, choose one with {option}: {listed(names)}"
    raise DataError(f"{place}: {several if names else f'no {kind}'}")


def choose_metric(
    found: Iterable[str], selection: Selection, place: str, usual: Sequence[str] = (), state: str = ""
) -> str | None:
    """The metric to read. Where outputs are scored anew and none is wanted, any that is there, or None without one.

    state: how the log ended, for the error if no sample has a score. Raises DataError naming `place`.
    """
    names = list(dict.fromkeys(found))
    if selection.anew and selection.metric is None:
        return next((name for name in (*usual, *names) if name in names), None)
    if not names and selection.metric is None:
        option = spelled(command="--score exact_match", python="score=exact_match")
        raise DataError(
            f"{place}: no sample has a score{state and f' ({state})'}; to score the outputs anew, choose a score, such "
            f"as {option}"
        )
    return choose("metric", names, selection.metric, place, usual)


def listed(names: Sequence[str]) -> str:
    """Some of the names, in one line, for an error."""
    shown = [name if len(name) <= SHOWN else name[:SHOWN] + "…" for name in names[:LISTED]]
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return (", ".join(name if name.isprintable() else ascii(name) for name in shown) or "none") + more
