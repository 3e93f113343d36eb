"""Private parts of trl, and what is assumed of them."""
