"""Addresses and host names in one canonical text each: IPv4, IPv6, networks, domains.

Every function takes untrusted text, costs time linear in a bounded length, and answers None for
what it does not know; ``sanjha.stix.values`` turns that into sentences.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

import idna

DOMAIN_LENGTH: Final = 253  #: RFC 1035 section 2.3.4: 255 octets on the wire are 253 characters of text
LABEL_LENGTH: Final = 63  #: RFC 1035 section 2.3.4
NETWORK_LENGTH: Final = 49  #: the longest IPv6 text, 45 characters (RFC 4291 section 2.2), and "/128"

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#: dotted quad without leading zeros, which some resolvers read as octal (RFC 6943 section 3.1.1)
IPV4_FORM: Final = rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}"
#: eight groups, no zero group, lower case: RFC 5952 has nothing left to shorten
IPV6_FULL_FORM: Final = r"(?:[1-9a-f][0-9a-f]{0,3}:){7}[1-9a-f][0-9a-f]{0,3}"
#: Host names as seen in the wild: underscores and hyphens anywhere in a label (RFC 2181 section 11 allows any
#: octet), a top label that starts with a letter, so that no address passes for a name.
ASCII_DOMAIN_FORM: Final = r"(?:[A-Za-z0-9_-]{1,63}+\.)*+[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

_ipv4 = re.compile(IPV4_FORM).fullmatch
_ipv6_full = re.compile(IPV6_FULL_FORM).fullmatch
_domain = re.compile(ASCII_DOMAIN_FORM).fullmatch
_prefix = re.compile(r"[0-9]{1,3}").fullmatch


def ipv4(text: str) -> str | None:
    """Dotted quad, or None."""
    return text if _ipv4(text) else None


def ipv6(text: str) -> str | None:
    """RFC 5952 form, or None. A mapped IPv4 address ends in its quad (section 5); a zone makes it no value."""
    if _ipv6_full(text):
        return text
    if len(text) > NETWORK_LENGTH or "%" in text or ":" not in text:
        return None
    try:
        return _ipv6_text(int(ipaddress.IPv6Address(text)))
    except ValueError:
        return None


def network(text: str) -> str | None:
    """``address/length`` with its host bits zeroed; the bare address when the length covers all of it; or None."""
    if len(text) > NETWORK_LENGTH:
        return None
    address, slash, length = text.partition("/")
    if not slash or not _prefix(length):
        return None
    size = int(length)
    try:
        if ":" not in address:
            if size > 32 or not _ipv4(address):
                return None
            number = _ipv4_number(address)
            return address if size == 32 else f"{_ipv4_text(number >> 32 - size << 32 - size)}/{size}"
        if size > 128 or "%" in address:
            return None
        number = int(ipaddress.IPv6Address(address))
        return _ipv6_text(number) if size == 128 else f"{_ipv6_text(number >> 128 - size << 128 - size)}/{size}"
    except ValueError:
        return None


def networks_over(address: str, own: int, lengths: Iterable[int]) -> list[str]:
    """Canonical networks of the given prefix lengths that contain ``address/own`` (canonical text), longest first.

    Lengths that exceed ``own``, or that would name a single address, are left out.
    """
    if ":" in address:
        number = int(ipaddress.IPv6Address(address))
        fitting = sorted({n for n in lengths if 0 <= n <= own and n < 128}, reverse=True)
        return [f"{_ipv6_text(number >> 128 - n << 128 - n)}/{n}" for n in fitting]
    number = _ipv4_number(address)
    fitting = sorted({n for n in lengths if 0 <= n <= own and n < 32}, reverse=True)
    return [f"{_ipv4_text(number >> 32 - n << 32 - n)}/{n}" for n in fitting]


def domain(text: str) -> str | None:
    """A-labels in lower case without the root's dot (UTS 46, non-transitional, then RFC 3492), or None.

    UTS 46 rather than the IDNA 2008 tables decides which characters may stand: emoji domains are registered and abused.
    """
    if text.endswith("."):
        text = text[:-1]
    if not text.isascii():
        mapped = _mapped(text)
        if mapped is None:
            return None
        text = mapped
    return text.lower() if len(text) <= DOMAIN_LENGTH and _domain(text) else None


def host(text: str) -> str | None:
    """The host of a URL: ``[IPv6]``, dotted quad, domain, or any other plain ASCII name in lower case; or None."""
    if text.startswith("["):
        inner = ipv6(text[1:-1]) if text.endswith("]") else None
        return None if inner is None else f"[{inner}]"
    return ipv4(text) or domain(text) or _plain_name(text)


_name = re.compile(r"[A-Za-z0-9._~!$&*+=-]{1,253}+").fullmatch


def _plain_name(text: str) -> str | None:
    # 0x7f.1, 2130706433 and the like: what a browser makes of them is its own affair, the text is the evidence
    return text.lower() if _name(text) else None


def _mapped(text: str) -> str | None:
    # Mapping can only shorten a name by ignorable characters; a text twice the limit is no name, only work.
    if len(text) > 2 * DOMAIN_LENGTH:
        return None
    try:
        labels = idna.uts46_remap(text, std3_rules=False, transitional=False).split(".")
        if labels and not labels[-1]:
            labels.pop()
        return ".".join(map(_a_label, labels))
    except (idna.IDNAError, UnicodeError, ValueError, IndexError):
        return None


def _a_label(label: str) -> str:
    if label.isascii():
        return label
    if len(label) > LABEL_LENGTH or unicodedata.combining(label[0]):
        raise ValueError(label)
    return "xn--" + label.encode("punycode").decode("ascii")


def _ipv4_number(text: str) -> int:
    a, b, c, d = text.split(".")
    return int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)


def _ipv4_text(number: int) -> str:
    return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _ipv6_text(number: int) -> str:
    """RFC 5952, independent of what this Python's ``ipaddress`` prints for mapped addresses (it changed in 3.13)."""
    if number >> 32 == 0xFFFF:
        return "::ffff:" + _ipv4_text(number & 0xFFFF_FFFF)
    groups = [number >> shift & 0xFFFF for shift in range(112, -1, -16)]
    start, length, i = 0, 0, 0
    while i < 8:
        if groups[i]:
            i += 1
            continue
        end = i
        while end < 8 and not groups[end]:
            end += 1
        if end - i > length:
            start, length = i, end - i
        i = end
    if length < 2:
        return ":".join(f"{group:x}" for group in groups)
    head = ":".join(f"{group:x}" for group in groups[:start])
    tail = ":".join(f"{group:x}" for group in groups[start + length :])
    return f"{head}::{tail}"
