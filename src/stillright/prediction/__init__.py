"""Models answer the test split of a task, through lm-evaluation-harness."""

SCORING = "log-likelihoods summed in float32"  # how answers are scored; other predictions are not compared with them
