"""python -m stillright"""

from stillright.cli import command_line

command_line()
