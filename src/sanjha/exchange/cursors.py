"""One form of cursor for every list: a position, bound to its query, that a client can hold but not make up.

The token is stateless (the same token gives the same page after a lost answer) and grants nothing: each page is read with the
rights of whoever shows it. The code only keeps a token from being used for another query, or invented.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Any, Final

import msgspec

from sanjha.errors import Malformed

_CODE_BYTES: Final = 12
_LONGEST: Final = 4_000


class Cursors:
    """Makes and reads cursors with a key that every process of the node shares."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.sha256(b"sanjha/cursor/1" + key).digest()

    def encode(self, query: bytes, position: Any) -> str:
        """``query``: what tells this list from others; ``position``: anything msgpack can hold."""
        body = msgspec.msgpack.encode(position)
        return base64.urlsafe_b64encode(self._code(query, body) + body).rstrip(b"=").decode()

    def decode(self, query: bytes, token: str, form: Any = int) -> Any:
        """The position. Raises ``Malformed`` for a token that we did not give out for this query."""
        refusal = Malformed("this cursor does not belong to this query: begin again without it")
        if len(token) > _LONGEST:
            raise refusal
        try:
            data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise refusal from None
        code, body = data[:_CODE_BYTES], data[_CODE_BYTES:]
        if not hmac.compare_digest(code, self._code(query, body)):
            raise refusal
        try:
            return msgspec.msgpack.decode(body, type=form)
        except (msgspec.DecodeError, msgspec.ValidationError):
            raise refusal from None

    def _code(self, query: bytes, body: bytes) -> bytes:
        size = len(query).to_bytes(4, "big")
        return hmac.digest(self._key, size + query + body, "sha256")[:_CODE_BYTES]
