"""URLs that come from outside, read strictly once: what is checked is what is asked.

Nothing here resolves a name; whether an address may be reached is decided where the connection is made.
"""

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import idna

from sanjha.errors import Malformed

#: RFC 9110 section 4.1 asks to support 8,000 octets at least; nobody we ask needs more.
MAX_URL = 8_000
_PORTS = {"http": 80, "https": 443}
_BAD = re.compile(r"[\x00-\x20\x7f\\]")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?\.?", re.ASCII)
#: Bytes that stay as they are in a path or query (RFC 3986 sections 3.3 and 3.4, and the percent of an escape).
_KEPT = "/?:@!$&'()*+,;=-._~%[]|^{}\""


class Url(NamedTuple):
    """``scheme`` lower-case, ``host`` an A-label name or an address without brackets, ``target`` path and query."""

    scheme: str
    host: str
    port: int
    target: str
    userinfo: bool

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port (RFC 6454): what credentials belong to."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """The ``Host`` header: brackets round IPv6, no default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if _PORTS.get(self.scheme) == self.port else f"{host}:{self.port}"

    @property
    def path(self) -> str:
        """The path alone."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query without its question mark."""
        return self.target.partition("?")[2]

    @property
    def text(self) -> str:
        """The whole URL again, without fragment and user information."""
        return f"{self.scheme}://{self.authority}{self.target}"

    def at(self, path: str, query: str = "") -> "Url":
        """Another place on the same origin."""
        return self._replace(target=path + (f"?{query}" if query else ""))


def parse(text: str) -> Url:
    """An absolute http or https URL. Raises ``Malformed``; any other scheme, too, is ``Malformed``."""
    if len(text) > MAX_URL:
        raise Malformed(f"a URL of {len(text)} characters is longer than {MAX_URL}")
    if _BAD.search(text):
        raise Malformed(f"{text[:80]!r} is not a URL: it has a space, a control character or a backslash in it")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise Malformed(f"{text[:80]!r} is not a URL: write https://HOST[:PORT]/PATH") from None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise Malformed(f"{text[:80]!r} does not start with https:// or http://: nothing else is fetched")
    if port == 0:
        raise Malformed(f"{text[:80]!r} names port 0")
    path = quote(parts.path or "/", safe=_KEPT.replace("?", ""))
    query = quote(parts.query, safe=_KEPT)
    return Url(
        scheme,
        _host(parts.hostname or "", text),
        port or _PORTS[scheme],
        path + (f"?{query}" if query else ""),
        "@" in parts.netloc,
    )


def join(base: Url, reference: str) -> Url:
    """What a ``Location`` or a relative reference means, seen from ``base``. Raises ``Malformed``."""
    if len(reference) > MAX_URL or _BAD.search(reference):
        raise Malformed(f"{reference[:80]!r} is not a URL reference")
    try:
        return parse(urljoin(base.text, reference))
    except ValueError:
        raise Malformed(f"{reference[:80]!r} is not a URL reference") from None


def _host(host: str, text: str) -> str:
    if ":" in host:
        try:
            # A zone (RFC 6874) means something on one machine only, and no public address has one.
            return str(ipaddress.IPv6Address(host.replace("%", "?")))
        except ValueError:
            raise Malformed(f"{text[:80]!r} has no readable IPv6 address") from None
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise Malformed(f"{text[:80]!r} has a host name that is no internationalised domain name") from None
    host = host.lower()
    if not _HOST.fullmatch(host):
        raise Malformed(f"{text[:80]!r} has no readable host name")
    return host.removesuffix(".")
