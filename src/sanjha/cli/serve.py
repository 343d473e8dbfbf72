"""``sanjha serve``: run the node's doors."""

from pathlib import Path

import click

from sanjha.cli.outcome import folder_argument
from sanjha.errors import WrongUse
from sanjha.node import serving

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@folder_argument
@click.option("--host", help="Address to listen on; loopback unless told otherwise.")
@click.option("--port", type=click.IntRange(0, 65_535), help="0 takes a free one.")
@click.option("--tls-cert", type=_FILE, help="Certificate chain (PEM); with --tls-key the node serves https.")
@click.option("--tls-key", type=_FILE, help="Its private key (PEM).")
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="How many serve.")
def serve(
    folder: Path, host: str | None, port: int | None, tls_cert: Path | None, tls_key: Path | None, processes: int
) -> None:
    """Serve TAXII, the API and the stream. Prints its URL when it is ready; ends with SIGTERM or Ctrl-C."""
    if (tls_cert is None) != (tls_key is None):
        raise WrongUse("TLS needs both --tls-cert and --tls-key")
    where = serving.listening(folder, host, port, certificate=tls_cert, key=tls_key, processes=processes)
    serving.serve(folder, where, serving.say_on_standard_output)
