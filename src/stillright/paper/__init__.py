"""cells.csv and the predictions it names -> tables, figures and findings. Knows files; trains and predicts nothing.

cells_csv (read) -> rows (means over seeds) and paired (differences over samples) -> tables, figures, findings; layout
turns a table into text.
"""

from stillright.paper.write import write_results

__all__ = ["write_results"]
