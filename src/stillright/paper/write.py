"""write_results(): the folder of a study -> its tables, figures and findings."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from stillright.errors import MissingExtra
from stillright.paper.figures import need_matplotlib, write_figures
from stillright.paper.findings import findings_of
from stillright.paper.layout import latex, markdown
from stillright.paper.page import findings_csv, findings_markdown
from stillright.paper.rows import StrategyRow, rows_of
from stillright.paper.tables import tables_of
from stillright.study.cells_csv import read_cells

TABLES = (("discrete", "continuous", "ablation", "missing"), ("md", "tex", "csv"))
FIGURES = (("quadrants", "nfr_vs_gain", "nfr_mc", "plane"), ("svg", "png"))


def write_results(out: Path) -> list[Path]:
    """Writes tables/, figures/ and findings of the study in folder `out`, replacing earlier ones; returns the files.

    Reads only cells.csv and the prediction files it names, so it can be called again at any time.
    Raises DataError where they are missing or do not fit each other; MissingExtra, after tables and findings are
    written, where figures cannot be drawn: earlier ones are kept.
    """
    rows = rows_of(read_cells(out), out)
    findings = findings_of(rows, out)
    texts = {"findings.md": findings_markdown(findings), "findings.csv": findings_csv(findings)}
    for name, table in tables_of(rows).items():
        sheets = {"md": markdown(table.sheet), "tex": latex(table.sheet, name), "csv": table.csv}
        texts |= {f"tables/{name}.{ending}": text for ending, text in sheets.items()}
    _emptied(out / "tables", TABLES)
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    return [out / name for name in texts] + _redrawn(rows, out / "figures")


def _redrawn(rows: list[StrategyRow], folder: Path) -> list[Path]:
    try:
        need_matplotlib()
    except MissingExtra as error:
        stale = f"; {folder} still holds those of an earlier call" if folder.is_dir() else ""
        raise MissingExtra(
            f"{folder.parent}: tables and findings are written, but no figures{stale}: {error}"
        ) from None
    return write_figures(rows, _emptied(folder, FIGURES))


def _emptied(folder: Path, made: tuple[tuple[str, ...], tuple[str, ...]]) -> Path:
    """The folder without what an earlier call made: a table that no longer has rows would stay as it was."""
    folder.mkdir(exist_ok=True)
    for name, ending in product(*made):
        (folder / f"{name}.{ending}").unlink(missing_ok=True)
    return folder
