"""A matrix of updates: cells of update x task x strategy x seed, made of stages that cells share."""
