"""Private parts of transformers, and what is assumed of them."""
