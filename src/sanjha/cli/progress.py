"""Progress of long work: a bar on a terminal, plain lines elsewhere, on standard error either way."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

LINE_EVERY: Final = 5.0  #: seconds between plain lines


@contextmanager
def progress(title: str, total: int | None = None, *, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """Gives a function that is told how much is done."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total)
            yield lambda done: bar.update(task, completed=done)
    else:
        last = time.monotonic()

        def line(done: int) -> None:
            nonlocal last
            if time.monotonic() - last >= LINE_EVERY:
                last = time.monotonic()
                click.echo(f"{title}: {done:,}" + (f" of {total:,}" if total else ""), err=True)

        yield line
