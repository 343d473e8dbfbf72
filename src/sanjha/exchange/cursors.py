"""One form of cursor for every list: a position, bound to its query, that a client can hold but neither make up nor read.

The token is stateless (the same token gives the same page after a lost answer) and grants nothing: each page is read with the
rights of whoever shows it. It is sealed with AES-SIV (RFC 5297): a position has row keys and times in it, from which one could
count what one may not see. The same position has the same token, so that equal pages are equal bytes.
"""

import base64
import binascii
import hashlib
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from sanjha.errors import Malformed

_CODE_BYTES: Final = 16
_LONGEST: Final = 4_000


class Cursors:
    """Makes and reads cursors with a key that every process of the node shares."""

    def __init__(self, key: bytes) -> None:
        self._seal = AESSIV(hashlib.sha256(b"sanjha/cursor/2" + key).digest())

    def encode(self, query: bytes, position: Any) -> str:
        """``query``: what tells this list from others; ``position``: anything msgpack can hold."""
        sealed = self._seal.encrypt(msgspec.msgpack.encode(position), [query])
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def decode(self, query: bytes, token: str, form: Any = int) -> Any:
        """The position. Raises ``Malformed`` for a token that we did not give out for this query."""
        refusal = Malformed("this cursor does not belong to this query: begin again without it")
        if len(token) > _LONGEST:
            raise refusal
        try:
            data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise refusal from None
        if len(data) <= _CODE_BYTES:
            raise refusal
        try:
            return msgspec.msgpack.decode(self._seal.decrypt(data, [query]), type=form)
        except (InvalidTag, msgspec.DecodeError, msgspec.ValidationError):
            raise refusal from None
