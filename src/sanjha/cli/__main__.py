"""``python -m sanjha.cli``: the program, where its script is not on the PATH."""

from sanjha.cli import main

main()
