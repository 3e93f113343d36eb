"""write_results(): the folder of a study -> its tables, figures and findings."""

from __future__ import annotations

from pathlib import Path

from stillright.errors import MissingExtra, needs
from stillright.paper.cells_csv import read_cells
from stillright.paper.findings import findings_of
from stillright.paper.findings_page import findings_csv, findings_markdown
from stillright.paper.rows import StrategyRow, rows_of
from stillright.paper.tables import tables_of


def write_results(out: Path) -> list[Path]:
    """Writes tables/, figures/ and findings of the study in folder `out`, replacing earlier ones; returns the files.

    Reads only cells.csv and the prediction files it names, so it can be called again at any time.
    Raises DataError where they are missing or do not fit each other; MissingExtra, after tables and findings are
    written, where figures cannot be drawn: earlier ones are kept.
    """
    rows = rows_of(read_cells(out), out)
    findings = findings_of(rows, out)
    texts: dict[str, str | None] = {"findings.md": findings_markdown(findings), "findings.csv": findings_csv(findings)}
    for name, table in tables_of(rows).items():
        texts |= {f"tables/{name}.md": table and table.markdown, f"tables/{name}.csv": table and table.csv}
    (out / "tables").mkdir(exist_ok=True)
    for name, text in texts.items():
        if text is None:
            (out / name).unlink(missing_ok=True)  # of an earlier call, when the table had rows
        else:
            (out / name).write_text(text, encoding="utf-8")
    return [out / name for name, text in texts.items() if text is not None] + _figures(rows, out / "figures")


def _figures(rows: list[StrategyRow], folder: Path) -> list[Path]:
    try:
        with needs("figures", "drawing figures"):
            import matplotlib  # noqa: F401
    except MissingExtra as error:
        stale = f"; {folder} still holds those of an earlier call" if folder.is_dir() else ""
        raise MissingExtra(
            f"{folder.parent}: tables and findings are written, but no figures{stale}: {error}"
        ) from None
    from stillright.paper.figures import save_figures

    return save_figures(rows, folder)
