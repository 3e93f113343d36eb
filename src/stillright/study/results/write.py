"""write_results(): the folder of a study -> its tables, figures and findings."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from stillright.study.results.cells import read_cells
from stillright.study.results.figures import write_figures
from stillright.study.results.findings import findings_of
from stillright.study.results.layout import latex, markdown
from stillright.study.results.page import findings_csv, findings_markdown
from stillright.study.results.rows import rows_of
from stillright.study.results.tables import tables_of

FIGURES = ("quadrants", "nfr_vs_gain", "nfr_mc", "plane")
MADE = {
    "tables": (("discrete", "continuous", "ablation", "missing"), ("md", "tex", "csv")),
    "figures": (FIGURES, ("svg", "png")),
}


def write_results(out: Path) -> list[Path]:
    """Writes tables/, figures/ and findings of the study in folder `out`; returns the files, those of before replaced.

    Reads cells.csv and the prediction files it names, and nothing else, so it can be called again at any time.
    Raises DataError where they are missing or do not fit each other; MissingExtra, after tables and findings are
    written, where figures cannot be drawn.
    """
    rows = rows_of(read_cells(out), out)
    findings = findings_of(rows, out)
    texts = {"findings.md": findings_markdown(findings), "findings.csv": findings_csv(findings)}
    for name, table in tables_of(rows).items():
        sheets = {"md": markdown(table.sheet), "tex": latex(table.sheet, name), "csv": table.csv}
        texts |= {f"tables/{name}.{ending}": text for ending, text in sheets.items()}
    _remove_former(out)
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    return [out / name for name in texts] + write_figures(rows, out / "figures")


def _remove_former(out: Path) -> None:
    """What an earlier call wrote: a table that has no row any more would stay as it was."""
    for folder, (names, endings) in MADE.items():
        (out / folder).mkdir(exist_ok=True)
        for name, ending in product(names, endings):
            (out / folder / f"{name}.{ending}").unlink(missing_ok=True)
