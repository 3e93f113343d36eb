"""What a stage will cost: shape (of a model) -> cost (formulas) -> stage_cost -> table. docs/estimate.md explains."""
