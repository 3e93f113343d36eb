"""A task is an lm-evaluation-harness task: from its registry, on other data, or made from a user's own files."""

from stillright.tasks.task import Task, load_task

__all__ = ["Task", "load_task"]
