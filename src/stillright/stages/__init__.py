"""The stages of an update."""
