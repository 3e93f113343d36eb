"""Private parts of accelerate, and what is assumed of them."""
