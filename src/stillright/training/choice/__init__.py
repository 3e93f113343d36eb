"""Alignment over the choices of a sample instead of its tokens."""
