"""Models answer the test split of a task."""
