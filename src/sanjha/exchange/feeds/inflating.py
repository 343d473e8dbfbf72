"""Decompression that stops at a limit: a small body that unfolds into a huge one costs the limit and no more."""

import zlib
from collections.abc import Iterator
from typing import Literal

from sanjha.errors import Malformed, TooLarge

#: What is unfolded at one time; bounds memory whatever the ratio (deflate reaches 1,032 to 1).
PIECE = 65_536


class Inflater:
    """``gzip`` (RFC 1952, several members too) or ``deflate`` (RFC 9110 section 8.4.1.2: zlib; some send it raw)."""

    def __init__(self, coding: Literal["gzip", "deflate"], limit: int) -> None:
        self._gzip = coding == "gzip"
        self._limit = limit
        self._made = 0
        self._head = b""
        self._engine: zlib._Decompress | None = None

    def _start(self, data: bytes) -> bytes:
        """Choose the engine by the first two bytes; gives what it is to be fed, nothing while there are fewer."""
        self._head += data
        if len(self._head) < 2:
            return b""
        head, self._head = self._head, b""
        bits = zlib.MAX_WBITS
        if self._gzip:
            bits |= 16
        elif head[0] & 0x0F != 8 or int.from_bytes(head[:2], "big") % 31:  # no zlib header (RFC 1950 section 2.2)
            bits = -bits
        self._engine = zlib.decompressobj(bits)
        return head

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Pieces of at most ``PIECE`` bytes. Raises ``TooLarge`` past the limit, ``Malformed`` for a broken stream."""
        piece = b""
        # A full piece may leave output waiting inside zlib although all input is consumed: ask once more.
        while data or len(piece) == PIECE:
            if self._engine is not None and self._engine.eof:
                if not data:
                    return
                if not self._gzip:
                    raise Malformed("the compressed body goes on after its end")
                self._engine = None
            if self._engine is None:
                data = self._start(data)
                if self._engine is None:
                    return
            try:
                piece = self._engine.decompress(data, PIECE)
            except zlib.error:
                raise Malformed("the compressed body cannot be unpacked: it is damaged, or not compressed") from None
            self._made += len(piece)
            if self._made > self._limit:
                raise TooLarge(f"the body unpacks to more than {self._limit} bytes; raise the limit or ask for less")
            if piece:
                yield piece
            data = self._engine.unused_data if self._engine.eof else self._engine.unconsumed_tail

    def finish(self) -> None:
        """Say that the input is over. Raises ``Malformed`` when the stream is not; no input at all is an empty body."""
        if self._head or (self._engine is not None and not self._engine.eof):
            raise Malformed("the compressed body ends in the middle")
