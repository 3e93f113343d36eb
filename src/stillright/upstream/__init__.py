"""What is used of other libraries beyond their documented interface, one module per library.

Each assumption stands in one function here, and tests/upstream/ checks the assumption itself: where an upgrade breaks
one, the test fails and names it.
"""
