"""``sanjha serve``: run the node's doors."""

import os
import socket
import ssl
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

import click
from granian.constants import HTTPModes, Interfaces, Loops
from granian.server import Server

from sanjha.cli.outcome import folder_argument
from sanjha.errors import WrongUse
from sanjha.node import config as settings
from sanjha.node.app import FOLDER_VARIABLE
from sanjha.node.assembly import Node

READY_SECONDS: Final = 60
#: The server logs to standard error: standard output carries the URL and nothing else.
_LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain", "stream": "ext://sys.stderr"}},
    "root": {"level": "INFO", "handlers": ["stderr"]},
    "loggers": {"_granian": {"handlers": ["stderr"], "level": "WARNING", "propagate": False}},
}


@click.command()
@folder_argument
@click.option("--host", help="Address to listen on; loopback unless told otherwise.")
@click.option("--port", type=click.IntRange(0, 65_535), help="0 takes a free one.")
@click.option("--tls-cert", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True)
def serve(
    folder: Path, host: str | None, port: int | None, tls_cert: Path | None, tls_key: Path | None, processes: int
) -> None:
    """Serve TAXII, the API and the stream. Prints its URL when it is ready; ends with SIGTERM or Ctrl-C."""
    if (tls_cert is None) != (tls_key is None):
        raise WrongUse("TLS needs both --tls-cert and --tls-key")
    config = settings.load(folder)
    with Node(folder):  # migrates, and says what is wrong before anything listens
        pass
    address = host or config.listen
    chosen = config.port if port is None else port
    if chosen == 0:
        chosen = _free_port(address)
    os.environ[FOLDER_VARIABLE] = str(folder)
    scheme = "http" if tls_cert is None else "https"
    shown = f"[{address}]" if ":" in address else address
    url = f"{scheme}://{shown}:{chosen}"
    threading.Thread(target=_announce, args=(url, address, chosen, scheme), daemon=True).start()
    Server(
        "sanjha.node.app:create",
        factory=True,
        address=address,
        port=chosen,
        interface=Interfaces.ASGI,
        loop=Loops.asyncio,
        http=HTTPModes.http1 if tls_cert is None else HTTPModes.auto,
        workers=processes,
        log_access=False,
        log_enabled=True,
        log_dictconfig=_LOGGING,
        ssl_cert=tls_cert,
        ssl_key=tls_key,
        backlog=1024,
        respawn_failed_workers=True,
    ).serve()


def _free_port(address: str) -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _announce(url: str, address: str, port: int, scheme: str) -> None:
    """Prints the URL on standard output as soon as the node answers."""
    near = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, f"[{address}]" if ":" in address else address)
    context = None
    if scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # only whether it answers
    deadline = time.monotonic() + READY_SECONDS
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), *([urllib.request.HTTPSHandler(context=context)] if context else [])
    )
    while time.monotonic() < deadline:
        try:
            with opener.open(f"{scheme}://{near}:{port}/healthz", timeout=5):
                break
        except OSError:
            time.sleep(0.05)
    sys.stdout.write(url + "\n")
    sys.stdout.flush()
