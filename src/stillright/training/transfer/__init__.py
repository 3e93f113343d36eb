"""A compat adapter from weights alone, where old and new have the same shapes: no training, no labels."""
