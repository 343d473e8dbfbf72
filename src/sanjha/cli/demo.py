"""``sanjha demo``: two nodes that exchange intelligence."""

import signal
import tempfile
import threading
from pathlib import Path

import click
import msgspec

from sanjha.cli.outcome import EXIT_FAILURE, json_option, tell
from sanjha.node.demo import Demo


@click.command()
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path, resolve_path=True), help="Keep the nodes here."
)
@click.option("--once", is_flag=True, help="End after the story.")
@json_option
def demo(folder: Path | None, once: bool, as_json: bool) -> None:
    """Show two nodes that exchange intelligence.

    pk publishes, lk has it within a second, and its firewall's list changes. Then both keep running, with tokens and URLs to
    try, until Ctrl-C. Everything is on loopback, in a temporary folder unless --folder names one.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)  # a shell starts what it runs in the background without it
    if folder is not None:
        _run(folder, once, as_json)
        return
    with tempfile.TemporaryDirectory(prefix="sanjha-demo-") as made:
        _run(Path(made), once, as_json)


def _run(folder: Path, once: bool, as_json: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with Demo(folder, (lambda _: None) if as_json else click.echo) as made:
        made.start()
        arrival = made.tell()
        made.show(once)
        if as_json:
            tell(
                {"story": msgspec.to_builtins(arrival), "nodes": msgspec.to_builtins([made.pk, made.lk])},
                [],
                as_json=True,
            )
        if arrival.red_travelled:
            raise click.exceptions.Exit(EXIT_FAILURE)
        if not once:
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                click.echo("\nThe demonstration ends.", err=True)


def _interrupt(_: int, __: object) -> None:
    raise KeyboardInterrupt
