"""Private parts of lm_eval, and what is assumed of them."""
