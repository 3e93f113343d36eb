"""Foreign and own files of per-sample results -> PredictionSet. One module per format; each knows its format alone."""

from stillright.importers.jsonl import write_predictions
from stillright.importers.read import read_predictions
from stillright.importers.selection import Selection
from stillright.importers.tables import read_frame

__all__ = ["Selection", "read_frame", "read_predictions", "write_predictions"]
