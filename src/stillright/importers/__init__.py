"""Foreign and own files of per-sample results -> PredictionSet. One file a format; each knows its format alone."""

from stillright.importers.read import Selection, read_predictions

__all__ = ["Selection", "read_predictions"]
