"""Drawn blocks -> SVG. Knows where things lie and nothing of what they mean; classes give colours and hatching.

Every number that is drawn stands as text beside the picture, so pictures that repeat a table are hidden from readers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from markupsafe import Markup

from stillright.report.controls import without_controls
from stillright.report.page import Balance, Flow, Plane, Point, Ribbon, Whiskers
from stillright.stats import Estimate

# pixels of a picture that is not scaled
WIDTH, HEIGHT = 480, 190
MARGIN, NODE, GAP = 96, 10, 14  # beside a flow's nodes, their width, and what lies between two
ROW = 170, 14  # of a chart's picture, and of each line in it
PLANE = 480, 300
FRAME = 64, 16, 24, 48  # left, top, right, bottom of the plane's axes
TICKS = 5


def _tag(name: str, *inside: str | Markup, **attributes: str | float) -> Markup:
    """An element; "class_" is class and "stroke_width" is stroke-width. Texts are escaped, numbers rounded."""
    known = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
    listed = Markup("").join(Markup(' {}="{}"').format(key, _value(value)) for key, value in known.items())
    content = Markup("").join(each if isinstance(each, Markup) else without_controls(each) for each in inside)
    return Markup("<{0}{1}>{2}</{0}>").format(name, listed, content)


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def _picture(width: float, height: float, *inside: Markup, **attributes: str) -> Markup:
    return _tag("svg", *inside, viewBox=f"0 0 {width:g} {height:g}", width=width, height=height, **attributes)


def swatch(part: str) -> Markup:
    """A key of the colour of a part."""
    return _picture(12, 12, *_filled(part, "M0 0H12V12H0Z"), class_="swatch", aria_hidden="true")


def _filled(part: str, path: str) -> Iterator[Markup]:
    """The area of a part: its colour, and lines over what was lost, which tell it apart without colour."""
    yield _tag("path", d=path, class_=part)
    if part == "regression":
        yield _tag("path", d=path, class_="hatched")


def flow(flow: Flow) -> Markup:
    """Ribbons from sources on the left to targets on the right, each as high as its share."""
    scale = HEIGHT - GAP * max(len(flow.sources), len(flow.targets))
    sources = [sum(each.share for each in flow.ribbons if each.source == i) for i in range(len(flow.sources))]
    targets = [sum(each.share for each in flow.ribbons if each.target == i) for i in range(len(flow.targets))]
    left, right = MARGIN, WIDTH - MARGIN - NODE
    parts = [*_nodes(flow.sources, sources, scale, left, "end"), *_nodes(flow.targets, targets, scale, right, "start")]
    leaves, enters = _tops(sources, scale), _tops(targets, scale)
    for ribbon in sorted(flow.ribbons, key=lambda each: (each.source, each.target)):
        height = ribbon.share * scale
        parts += _ribbon(ribbon, leaves[ribbon.source], enters[ribbon.target], height)
        leaves[ribbon.source] += height
        enters[ribbon.target] += height
    return _picture(WIDTH, HEIGHT, *parts, class_="flow", aria_hidden="true")


def _tops(shares: Sequence[float], scale: float) -> list[float]:
    return list(accumulate((share * scale + GAP for share in shares[:-1]), initial=GAP / 2))


def _nodes(names: Sequence[str], shares: Sequence[float], scale: float, x: float, anchor: str) -> Iterator[Markup]:
    place = x - 6 if anchor == "end" else x + NODE + 6
    for name, share, top in zip(names, shares, _tops(shares, scale), strict=True):
        if share > 0:
            middle = min(max(top + share * scale / 2, 14), HEIGHT - 20)
            yield _tag("rect", x=x, y=top, width=NODE, height=max(share * scale, 1), class_="node")
            yield _tag("text", name, x=place, y=middle, text_anchor=anchor)
            yield _tag("text", f"{100 * share:.1f} %", x=place, y=middle + 15, text_anchor=anchor, class_="small")


def _ribbon(ribbon: Ribbon, leaves: float, enters: float, height: float) -> Iterator[Markup]:
    if height <= 0:
        return
    left, right = MARGIN + NODE, WIDTH - MARGIN - NODE
    middle, height = (left + right) / 2, max(height, 1)
    yield from _filled(
        ribbon.part,
        f"M{left} {leaves:.1f}C{middle} {leaves:.1f} {middle} {enters:.1f} {right} {enters:.1f}"
        f"V{enters + height:.1f}C{middle} {enters + height:.1f} {middle} {leaves + height:.1f} {left} "
        f"{leaves + height:.1f}Z",
    )


def marks(rows: Sequence[Whiskers | Balance]) -> list[Markup]:
    """The pictures of a chart's rows, all on one scale."""
    whiskers = [row for row in rows if isinstance(row, Whiskers)]
    most = max((each.high or each.value or 0 for row in whiskers for each in row.estimates), default=0) or 1
    largest = max((max(row.lost, row.gained) for row in rows if isinstance(row, Balance)), default=0) or 1
    return [_whiskers(row, most) if isinstance(row, Whiskers) else _balance(row, largest) for row in rows]


def _whiskers(row: Whiskers, most: float) -> Markup:
    width, height = ROW
    parts = [_tag("path", d=f"M4 0V{height * len(row.estimates)}", class_="axis")]
    for i, each in enumerate(row.estimates):
        y = height * (i + 0.5)
        parts += _whisker(each, lambda value: 4 + (width - 8) * value / most, y, "new" if i == 0 else "candidate")
    return _picture(width, height * len(row.estimates), *parts, aria_hidden="true")


def _whisker(each: Estimate, x: Callable[[float], float], y: float, kind: str) -> Iterator[Markup]:
    if each.low is not None and each.high is not None:
        yield _tag("path", d=f"M{x(each.low):.1f} {y}H{x(each.high):.1f}", class_="whisker")
    if each.value is not None:
        yield _tag("circle", cx=x(each.value), cy=y, r=4, class_=kind)


def _balance(row: Balance, largest: int) -> Markup:
    width, height = ROW
    middle = width / 2
    lost, gained = (middle * count / largest for count in (row.lost, row.gained))
    parts = [*_filled("regression", f"M{middle} 1H{middle - lost:.1f}V{height - 1}H{middle}Z")]
    parts += _filled("gain", f"M{middle} 1H{middle + gained:.1f}V{height - 1}H{middle}Z")
    return _picture(width, height, *parts, _tag("path", d=f"M{middle} 0V{height}", class_="axis"), aria_hidden="true")


def plane(plane: Plane) -> Markup:
    """Score to the right and NFR upwards, both with intervals; old is a line, since it loses nothing."""
    left, top, right, bottom = FRAME
    width, height = PLANE
    scores = _Axis.around([plane.old.score, *(each.score for each in plane.points)], left, width - right)
    rates = _Axis.around([each.nfr for each in plane.points], height - bottom, top, least=0.0)
    x_old = scores.at(plane.old.score.value or 0)
    parts = [*_axes(plane, scores, rates), _tag("path", d=f"M{x_old:.1f} {top}V{rates.start}", class_="old")]
    parts.append(_label(plane.old.name, x_old, rates.start - 6, width))
    for i, point in enumerate(plane.points):
        parts += _point(point, scores, rates, "new" if i == 0 else "candidate", width)
    return _picture(width, height, *parts, role="img", aria_label=_said(plane))


def _axes(plane: Plane, scores: _Axis, rates: _Axis) -> Iterator[Markup]:
    scale, unit = (100, " (%)") if plane.is_percent else (1, "")
    yield _tag("path", d=f"M{scores.start} {rates.end}V{rates.start}H{scores.end}", class_="axis")
    for tick in scores.ticks():
        yield _tag("text", f"{scale * tick:g}", x=scores.at(tick), y=rates.start + 18, text_anchor="middle")
    for tick in rates.ticks():
        yield _tag("text", f"{100 * tick:g} %", x=scores.start - 8, y=rates.at(tick) + 4, text_anchor="end")
        yield _tag("path", d=f"M{scores.start} {rates.at(tick):.1f}H{scores.end}", class_="grid")
    middle = (scores.start + scores.end) / 2
    yield _tag("text", f"{plane.score}{unit}", x=middle, y=rates.start + 40, text_anchor="middle")
    yield _tag("text", "lost (NFR)", x=8, y=rates.end - 2)


class _Axis(NamedTuple):
    """The values from low to high, on the pixels from start to end."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, estimates: Sequence[Estimate], start: float, end: float, least: float | None = None) -> _Axis:
        """One with room for all intervals; least: where it begins, if that is known."""
        ends = [value for each in estimates for value in (each.low, each.value, each.high) if value is not None]
        low, high = min(ends, default=0.0) if least is None else least, max(ends, default=1.0)
        room = 0.1 * (high - low) or 0.05 * abs(high) or 0.01
        return cls(low - (room if least is None else 0), high + room, start, end)

    def at(self, value: float) -> float:
        """The pixel of a value."""
        return self.start + (self.end - self.start) * (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round values, at most TICKS + 1."""
        rough = (self.high - self.low) / TICKS
        size = 10 ** math.floor(math.log10(rough))
        step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
        first = math.ceil(self.low / step)
        return [round(i * step, 12) for i in range(first, math.floor(self.high / step) + 1)]


def _point(point: Point, scores: _Axis, rates: _Axis, kind: str, width: float) -> Iterator[Markup]:
    if point.score.value is None or point.nfr.value is None:
        return
    x, y = scores.at(point.score.value), rates.at(point.nfr.value)
    yield from _whisker(point.score, scores.at, y, kind)
    if point.nfr.low is not None and point.nfr.high is not None:
        yield _tag("path", d=f"M{x:.1f} {rates.at(point.nfr.low):.1f}V{rates.at(point.nfr.high):.1f}", class_="whisker")
    yield _label(point.name, x, y - 8 if kind == "new" else y + 18, width)


def _label(name: str, x: float, y: float, width: float) -> Markup:
    anchor, place = ("end", x - 6) if x > 0.6 * width else ("start", x + 6)
    return _tag("text", name, x=place, y=y, text_anchor=anchor, class_="name")


def _said(plane: Plane) -> str:
    shown = "; ".join(f"{each.name}: {each.score.shown()}, NFR {each.nfr.shown()}" for each in plane.points)
    return f"{plane.score} and NFR. {shown}"
