"""Both teachers' outputs on the training texts: cached on disk in one of several forms, or computed in every step."""
