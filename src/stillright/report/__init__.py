"""Comparison -> what people read: a terminal table, Markdown, JSON. Nothing here computes a metric."""
