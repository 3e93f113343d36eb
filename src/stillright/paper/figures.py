"""Rows -> figures 2, 4 and 5 of Echterhoff et al., 2024, and score against NFR. Imports matplotlib.

Tasks are rows of panels, updates columns. Bars and points are means over seeds, whiskers the deviation over seeds;
what covers fewer seeds than asked is labelled so, or hollow.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stillright.paper.rows import StrategyRow, one_an_update

STYLE: dict[Any, Any] = {  # the salt makes the bytes of an SVG file depend on content alone
    **{"svg.hashsalt": "stillright", "svg.fonttype": "none", "text.parse_math": False},
    **{"font.size": 8.0, "axes.titlesize": 8.0, "legend.frameon": False},
    **{"axes.spines.top": False, "axes.spines.right": False},
}
# Okabe and Ito, 2008, with an indigo for their yellow, which is faint on white; markers tell apart without colour
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#332288", "#999999"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "h", "<", ">"]
PARTS = {  # of the samples: label, colour, colour of its number
    "both_right": ("both right", "#0072B2", "white"),
    "gain": ("gained", "#56B4E9", "black"),
    "both_wrong": ("both wrong", "#BBBBBB", "black"),
    "unchanged": ("unchanged", "#DDDDDD", "black"),
    "regression": ("lost (number beside the bar)", "#D55E00", ""),
}
FLIPS = {"nfr": ("NFR", "#0072B2"), "nfr_mc": ("NFR_mc", "#E69F00")}
RETRAINED = "new (retrained)"
NO_RESULT = "no result"
NOTE = 44  # letters per line in a panel
FRONT: dict[str, Any] = {"ls": "--", "color": "#666666", "lw": 0.9, "zorder": 1}
LEAST_LABELLED = 0.12  # share of samples that has room for its number
WIDTH, BAR, MARGIN = 3.2, 0.24, 0.95  # inches: of a panel, of a bar's room, of a panel's title and axis


class ModelBar(NamedTuple):
    """A model in a panel; suffix: of its measures in the row."""

    label: str
    row: StrategyRow
    suffix: str


Panels = list[tuple[Axes, list[StrategyRow]]]


def save_figures(rows: Sequence[StrategyRow], folder: Path) -> list[Path]:
    """Draws every figure that the rows have results for, as SVG and PNG; returns the files.

    Those of an earlier call are deleted, also where there are no results now. The same rows give the same bytes of SVG.
    """
    known = [row for row in rows if row.task.kind is not None]
    discrete = [row for row in known if row.task.kind == "discrete"]
    drawings: dict[str, tuple[Callable[[Sequence[StrategyRow]], Figure], list[StrategyRow]]] = {
        "quadrants": (quadrants, known),
        "nfr_vs_gain": (nfr_vs_gain, one_an_update(known)),
        "nfr_mc": (nfr_mc, discrete if any(row["nfr_mc"].mean is not None for row in discrete) else []),
        "plane": (plane, known),
    }
    written = []
    folder.mkdir(exist_ok=True)
    for name, (draw, shown) in drawings.items():
        svg, png = files = [folder / f"{name}.{ending}" for ending in ("svg", "png")]
        for path in files:
            path.unlink(missing_ok=True)
        if shown:
            with matplotlib.rc_context(STYLE):
                figure = draw(shown)
                figure.savefig(svg, metadata={"Date": None})
                figure.savefig(png, dpi=150, metadata={"Software": None})
            written += files
    return written


def quadrants(rows: Sequence[StrategyRow]) -> Figure:
    """What became of the samples: one stacked bar per model, the new model first (figure 2)."""
    figure, panels = _grid(rows, _room(rows), "share of samples (%)")
    for axes, within in panels:
        bars = _bars(within)
        for y, bar in enumerate(bars):
            _stack(axes, y, bar)
        _label_bars(axes, bars)
        axes.set_xlim(0, 100)
    used = [look for part, look in PARTS.items() if any(row[part].mean is not None for row in rows)]
    _legend(figure, [_key(label, colour) for label, colour, _ in used])
    return figure


def _stack(axes: Axes, y: int, bar: ModelBar) -> None:
    left = 0.0
    for part, (_, colour, text) in PARTS.items():
        share = bar.row[part + bar.suffix].mean
        if share is None:
            continue
        axes.barh(y, 100 * share, left=left, height=0.75, color=colour, edgecolor="white", linewidth=0.5)
        if part == "regression":
            axes.text(101, y, f"{100 * share:.1f}", ha="left", va="center", color=colour, fontsize=7)
        elif share >= LEAST_LABELLED:
            axes.text(left + 50 * share, y, f"{100 * share:.1f}", ha="center", va="center", color=text, fontsize=7)
        left += 100 * share


def nfr_mc(rows: Sequence[StrategyRow]) -> Figure:
    """NFR beside NFR_mc of the new model and of every candidate (figure 5)."""
    figure, panels = _grid(rows, _room(rows, bars=2), "share of samples (%)")
    for axes, within in panels:
        bars = _bars(within)
        for i, (measure, (_, colour)) in enumerate(FLIPS.items()):
            found = [bar.row[measure + bar.suffix] for bar in bars]
            places = [y + 0.38 * (i - 0.5) for y in range(len(bars))]
            means = _percents(each.mean for each in found)
            deviations = _percents(each.deviation for each in found)
            whiskers = {"elinewidth": 0.8, "capsize": 1.5}
            axes.barh(places, means, height=0.36, color=colour, xerr=deviations, error_kw=whiskers)
            for bar, y, each in zip(bars, places, found, strict=True):
                if bar.row.done and each.mean is None:
                    # an absent bar alone would look like zero
                    axes.text(0.01, y, "undefined", va="center", fontsize=6, transform=axes.get_yaxis_transform())
        _label_bars(axes, bars)
    _legend(figure, [_key(label, colour) for label, colour in FLIPS.values()])
    return figure


def plane(rows: Sequence[StrategyRow]) -> Figure:
    """Score against NFR, one point per strategy, with the front of those that no other beats in both."""
    figure, panels = _grid(rows, 2.4, "NFR (%)")
    names = list(dict.fromkeys(row.strategy for row in rows if row.done and not row.is_new))
    each_look = zip(names, cycle(MARKERS), cycle(COLOURS), strict=False)
    looks: dict[str, dict[str, Any]] = {name: {"marker": marker, "color": colour} for name, marker, colour in each_look}
    looks[RETRAINED] = {"marker": "*", "color": "black", "markersize": 10}
    for axes, within in panels:
        _points(axes, [bar for bar in _bars(within) if bar.row.done], looks)
        axes.set_ylabel(f"{within[0].task.metric} (%)")
        lacking = [row.strategy for row in within if not row.done]
        if lacking:
            note = textwrap.fill(f"{NO_RESULT}: {', '.join(lacking)}", NOTE)
            axes.text(1, 0.02, note, ha="right", fontsize=7, transform=axes.transAxes)
    handles = [Line2D([], [], ls="", label=name, **look) for name, look in looks.items()]
    front = Line2D([], [], label="not beaten in both", **FRONT)
    _legend(figure, [*handles, front, *_hollow(rows)])
    return figure


def _points(axes: Axes, bars: Sequence[ModelBar], looks: dict[str, dict[str, Any]]) -> None:
    """A point with its deviations for each model, and the front."""
    points = []
    for bar in bars:
        nfr, score = bar.row["nfr" + bar.suffix], bar.row["new" if bar.suffix else "score"]
        x, xerr, y, yerr = _percents((nfr.mean, nfr.deviation, score.mean, score.deviation))
        look = _filled(looks[RETRAINED if bar.suffix else bar.row.strategy], bar.row)
        axes.errorbar(x, y, xerr=xerr, yerr=yerr, elinewidth=0.8, capsize=2, **look)
        points.append((x, y))
    axes.margins(0.12)
    _front(axes, points)


def _front(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """The border of what is beaten: steps through the points that no other matches in both and beats in one."""
    best = {p for p in points if not any(q != p and q[0] <= p[0] and q[1] >= p[1] for q in points)}
    (_, right), (bottom, _) = axes.get_xlim(), axes.get_ylim()
    xs, ys = zip(*sorted(best), strict=True)
    axes.step([xs[0], *xs, right], [bottom, *ys, ys[-1]], where="post", scalex=False, scaley=False, **FRONT)


def nfr_vs_gain(rows: Sequence[StrategyRow]) -> Figure:
    """NFR of plain updates against their gain, one point per task and update, kinds of task apart (figure 4)."""
    kinds = [kind for kind in ("discrete", "continuous") if any(row.task.kind == kind for row in rows)]
    colours = dict(zip(dict.fromkeys(str(row.task) for row in rows), cycle(COLOURS), strict=False))
    markers = dict(zip(dict.fromkeys(row.update for row in rows), cycle(MARKERS), strict=False))
    figure = Figure(figsize=(3.6 * len(kinds), 4.0), layout="constrained")
    for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        for row in (row for row in rows if row.task.kind == kind):
            look = _filled({"color": colours[str(row.task)], "marker": markers[row.update]}, row)
            axes.plot(*_percents((row.gain, row["nfr_new"].mean)), ls="", markersize=6, **look)
        axes.axvline(0, color="#BBBBBB", lw=0.8, zorder=0)
        axes.margins(0.1)
        axes.set_ylim(0, axes.get_ylim()[1])
        axes.set(title=f"{kind} tasks", xlabel="gain in score, new - old (points)", ylabel="NFR, old → new (%)")
    handles = [Line2D([], [], lw=5, color=colour, label=name) for name, colour in colours.items()]
    handles += [_key(_short(name), "#444444", marker) for name, marker in markers.items()]
    _legend(figure, handles + _hollow(rows))
    return figure


def _grid(rows: Sequence[StrategyRow], height: float, x_name: str) -> tuple[Figure, Panels]:
    """A figure with one panel per task and update, and the panels that have results with their rows.

    height: of a panel, in inches.
    """
    tasks = list(dict.fromkeys(row.task for row in rows))
    updates = list(dict.fromkeys(row.update for row in rows))
    figure = Figure(figsize=(max(2, len(updates)) * WIDTH, height * len(tasks) + 0.5), layout="constrained")
    grid = figure.subplots(len(tasks), len(updates), squeeze=False)
    panels = []
    for task, line in zip(tasks, grid, strict=True):
        for update, axes in zip(updates, line, strict=True):
            axes.set_title(f"{_short(str(task))}\n{_short(update)}")
            within = [row for row in rows if (row.task, row.update) == (task, update)]
            if any(row.done for row in within):
                axes.set_xlabel(x_name)
                panels.append((axes, within))
            else:
                axes.text(0.5, 0.5, NO_RESULT, ha="center", va="center", transform=axes.transAxes)
                axes.set_axis_off()
    return figure, panels


def _bars(rows: Sequence[StrategyRow]) -> list[ModelBar]:
    """The new model, then every candidate that is another model."""
    new = one_an_update(rows)[0]
    candidates = [ModelBar(row.strategy + _seeds(row), row, "") for row in rows if not row.is_new]
    return [ModelBar(RETRAINED + _seeds(new), new, "_new"), *candidates]


def _room(rows: Iterable[StrategyRow], bars: int = 1) -> float:
    """The height of a panel with `bars` for each model, in inches."""
    return MARGIN + BAR * bars * (1 + len({row.strategy for row in rows if not row.is_new}))


def _seeds(row: StrategyRow) -> str:
    """A label for a mean over fewer seeds than asked."""
    return "" if len(row.done) in (0, len(row.cells)) else f" [{len(row.done)}/{len(row.cells)} seeds]"


def _label_bars(axes: Axes, bars: Sequence[ModelBar]) -> None:
    for y, bar in enumerate(bars):
        if not bar.row.done:
            axes.text(0.01, y, NO_RESULT, va="center", fontsize=7, transform=axes.get_yaxis_transform())
    axes.set_yticks(range(len(bars)), [bar.label for bar in bars])
    axes.set_ylim(-0.6, len(bars) - 0.4)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)


def _percents(fractions: Iterable[float | None]) -> list[float]:
    """NaN, for which nothing is drawn, in place of None."""
    return [math.nan if fraction is None else 100 * fraction for fraction in fractions]


def _filled(look: dict[str, Any], row: StrategyRow) -> dict[str, Any]:
    """The look, hollow where seeds are missing."""
    return dict(look) if len(row.done) == len(row.cells) else {**look, "markerfacecolor": "white"}


def _key(label: str, colour: str, marker: str = "s", **look: Any) -> Line2D:
    """An entry of a legend."""
    return Line2D([], [], ls="", marker=marker, color=colour, label=label, **look)


def _hollow(rows: Iterable[StrategyRow]) -> list[Line2D]:
    if all(len(row.done) == len(row.cells) for row in rows):
        return []
    return [_key("hollow: fewer seeds than asked", "#444444", "o", markerfacecolor="white")]


def _short(name: str) -> str:
    if " " in name:
        return textwrap.shorten(name, NOTE, placeholder="…")
    return name if len(name) <= NOTE else f"{name[: NOTE - 1]}…"


def _legend(figure: Figure, handles: list[Line2D]) -> None:
    """Below all panels, in as many columns as have room."""
    longest = max(len(str(handle.get_label())) for handle in handles)
    room = figure.get_figwidth() / (0.07 * longest + 0.55)  # inches: of a letter; of marker and gap
    figure.legend(handles=handles, loc="outside lower center", ncols=max(1, min(len(handles), int(room))))
