"""write_results(): the folder of a study -> its tables, figures and findings."""

from __future__ import annotations

from pathlib import Path

from stillright.study.results.cells import read_cells
from stillright.study.results.figures import write_figures
from stillright.study.results.findings import findings_of
from stillright.study.results.layout import latex, markdown
from stillright.study.results.page import findings_csv, findings_markdown
from stillright.study.results.rows import rows_of
from stillright.study.results.tables import tables_of


def write_results(out: Path) -> list[Path]:
    """Writes tables/, figures/ and findings of the study in folder `out`; returns the files, those of before replaced.

    Reads cells.csv and the prediction files it names, and nothing else, so it can be called again at any time.
    Raises DataError where they are missing or do not fit each other; MissingExtra, after tables and findings are
    written, where figures cannot be drawn.
    """
    rows = rows_of(read_cells(out), out)
    findings = findings_of(rows, out)
    texts: dict[str, str] = {}
    for name, table in tables_of(rows).items():
        texts |= {
            f"{name}.md": markdown(table.sheet),
            f"{name}.tex": latex(table.sheet, name),
            f"{name}.csv": table.csv,
        }
    written = _write(out / "tables", texts)
    written += _write(out, {"findings.md": findings_markdown(findings), "findings.csv": findings_csv(findings)})
    return written + write_figures(rows, out / "figures")


def _write(folder: Path, texts: dict[str, str]) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]
