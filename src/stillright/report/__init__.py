"""Comparison -> what people read: a terminal table, Markdown, HTML, JUnit. Nothing here computes a metric."""
