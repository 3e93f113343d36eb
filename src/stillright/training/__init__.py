"""Adapters: the task adapter, the compat adapter, and the loss between them. All need the extra `stillright[train]`."""
