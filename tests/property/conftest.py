"""No test here opens a socket."""

from tests.sockets import no_sockets

__all__ = ["no_sockets"]
