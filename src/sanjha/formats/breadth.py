"""What no device may be told to block, whoever asks: half the internet, by one hostile or careless indicator.

Warning lists hold back known good values; these bounds hold without any list.
"""

import re
from typing import Final

from sanjha.formats.addresses import network

#: IPv4: nobody but the legacy holders of a /8 has more (IANA IPv4 address space registry).
WIDEST_IPV4: Final = 8
#: IPv6: the largest allocation made to one holder is a /19 or narrower; /16 leaves a margin (RFC 6177, RIR statistics).
WIDEST_IPV6: Final = 16
IPV4_MAPPED: Final = 0xFFFF << 32  #: ::ffff:0:0/96, RFC 4291 section 2.5.5.2
NAT64: Final = 0x64FF9B << 96  #: 64:ff9b::/96, RFC 6052 section 2.1
_HOLDERS_OF_IPV4: Final = ("::", "64:ff9b:")

HOSTNAME: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+")
MAX_HOSTNAME: Final = 253  #: RFC 1035 section 2.3.4, as text without the final dot


def too_broad(kind: str, text: str) -> str | None:
    """Why ``text`` may not be blocked, or None when it may."""
    if kind == "cidr":
        _, _, length = text.rpartition("/")
        if not length.isascii() or not length.isdigit() or len(length) > 3:
            return "not a network: the prefix length is missing"
        widest = WIDEST_IPV6 if ":" in text else WIDEST_IPV4
        if int(length) < widest:
            return f"wider than /{widest}: blocking it would cut off whole providers"
        if text.startswith(_HOLDERS_OF_IPV4) and _holds_ipv4(text):
            return f"holds more than an IPv4 /{WIDEST_IPV4} in IPv6 form: devices read it as those IPv4 addresses"
    elif kind == "domain" and "." not in text:
        return "a whole top-level domain: blocking it would cut off everybody below it"
    return None


def _holds_ipv4(text: str) -> bool:
    found = network("cidr", text)
    if found is None:
        return False
    for base in (IPV4_MAPPED, NAT64):
        shorter = min(found.length, 96)
        if found.first >> (128 - shorter) == base >> (128 - shorter) and found.length < 96 + WIDEST_IPV4:
            return True
    return False


def hostname_fault(text: str) -> str | None:
    """Why ``text`` is not a host name of two labels or more in A-label form, or None when it is."""
    if len(text) > MAX_HOSTNAME:
        return f"longer than {MAX_HOSTNAME} characters"
    if HOSTNAME.fullmatch(text) is None:
        return "not a host name of letters, digits, hyphens and dots"
    return None
