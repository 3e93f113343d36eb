"""Private parts of peft, and what is assumed of them."""
