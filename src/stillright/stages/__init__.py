"""What an update is made of: each stage with what determines it, how it is built, and what it costs."""
