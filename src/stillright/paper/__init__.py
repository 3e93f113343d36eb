"""cells.csv and the predictions it names -> tables, figures and findings. Knows files; trains and predicts nothing.

cells_csv -> rows (means over seeds) and paired (differences over samples, seeds together) -> tables, figures, findings
(whether claims hold) and findings_page. `study` writes cells.csv through cells_csv.
"""

from stillright.paper.write import write_results

__all__ = ["write_results"]
