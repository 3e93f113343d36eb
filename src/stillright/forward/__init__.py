"""How models read texts, in training and in scoring: the same numbers as their own code, for less time and memory."""
