"""Folders that hold results: which are done, from what inputs."""
