"""The figures of a study as SVG and PNG files; the same rows give the same bytes of SVG.

Matplotlib is imported when something is drawn (extra `figures`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillright.paper.rows import StrategyRow, one_an_update
from stillright.scoring.extras import needs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    **{"svg.hashsalt": "stillright", "svg.fonttype": "none", "text.parse_math": False},
    **{"font.size": 8.0, "axes.titlesize": 8.0, "legend.frameon": False},
    **{"axes.spines.top": False, "axes.spines.right": False},
}


def need_matplotlib() -> None:
    """Raises MissingExtra where it is not installed."""
    with needs("figures", "drawing figures"):
        import matplotlib  # noqa: F401


def write_figures(rows: Sequence[StrategyRow], folder: Path) -> list[Path]:
    """Draws every figure that the rows have results for; returns the files. Ask need_matplotlib first."""
    import matplotlib

    from stillright.paper import drawing

    known = [row for row in rows if row.task.kind is not None]
    discrete = [row for row in known if row.task.kind == "discrete"]
    drawings: dict[str, tuple[Callable[[Sequence[StrategyRow]], Figure], list[StrategyRow]]] = {
        "quadrants": (drawing.quadrants, known),
        "nfr_vs_gain": (drawing.nfr_vs_gain, one_an_update(known)),
        "nfr_mc": (drawing.nfr_mc, discrete if any(row["nfr_mc"].mean is not None for row in discrete) else []),
        "plane": (drawing.plane, known),
    }
    written = []
    for name, (draw, shown) in drawings.items():
        if shown:
            with matplotlib.rc_context(STYLE):
                written += _saved(draw(shown), folder, name)
    return written


def _saved(figure: Figure, folder: Path, name: str) -> list[Path]:
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    figure.savefig(folder / f"{name}.png", dpi=150, metadata={"Software": None})
    return [folder / f"{name}.svg", folder / f"{name}.png"]
