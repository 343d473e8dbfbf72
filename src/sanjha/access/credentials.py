"""From what a request carries to an actor: bearer token, HTTP Basic, or the certificate that a trusted proxy has checked."""

import base64
import binascii
import hashlib
import ipaddress
from collections.abc import Sequence
from typing import Final

from sanjha.access.policy import Actor
from sanjha.access.tokens import PREFIX, Tokens

LONGEST_HEADER: Final = 16_384  #: bytes of a credential that we look at


class Credentials:
    """Reads credentials. ``trusted_proxies``: addresses or networks whose ``Client-Cert`` header is believed."""

    def __init__(self, tokens: Tokens, trusted_proxies: Sequence[str] = ()) -> None:
        self._tokens = tokens
        self._proxies = tuple(ipaddress.ip_network(each, strict=False) for each in trusted_proxies)

    def actor(self, authorization: str | None, client_cert: str | None, peer: str | None, now: int) -> Actor | None:
        """The actor, or None: nothing was shown, or nothing that holds.

        1. ``Authorization: Bearer SECRET`` or ``Basic NAME:SECRET`` (RFC 6750, RFC 7617).
           A secret alone, as MISP sends its keys to the feeds that it follows, where it begins as our tokens do.
        2. ``Client-Cert: :BASE64:`` (RFC 9440), only from a trusted proxy's address; anybody else's is ignored.
        """
        if authorization and len(authorization) <= LONGEST_HEADER:  # 1
            scheme, _, rest = authorization.partition(" ")
            rest = rest.strip()
            if scheme.lower() == "bearer" and rest:
                return self._tokens.actor(rest, now)
            if scheme.lower() == "basic":
                pair = _basic(rest)
                return None if pair is None else self._tokens.actor(pair[1], now, user=pair[0])
            return self._tokens.actor(scheme, now) if scheme.startswith(PREFIX) and not rest else None
        if client_cert and len(client_cert) <= LONGEST_HEADER and self._trusts(peer):  # 2
            certificate = _certificate(client_cert)
            return None if certificate is None else self._tokens.by_digest(hashlib.sha256(certificate).digest(), now)
        return None

    def _trusts(self, peer: str | None) -> bool:
        try:
            address = ipaddress.ip_address(peer or "")
        except ValueError:
            return False
        return any(address in network for network in self._proxies)


def _basic(rest: str) -> tuple[str, str] | None:
    try:
        text = base64.b64decode(rest, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    user, colon, password = text.partition(":")
    return (user, password) if colon else None


def _certificate(header: str) -> bytes | None:
    text = header.strip()
    if len(text) < 3 or text[0] != ":" or text[-1] != ":":
        return None
    try:
        return base64.b64decode(text[1:-1], validate=True)
    except (binascii.Error, ValueError):
        return None
