"""Models answer the test split of a task, through lm-evaluation-harness."""

SCORING = "log-likelihoods summed in float32, positions in float32"  # of answers; others are not taken for these
