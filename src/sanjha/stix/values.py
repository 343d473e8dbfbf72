"""Observable values in one canonical text each, so that two reports of the same thing meet in one index.

================  ====================================================================================
kind              canonical text
================  ====================================================================================
ipv4, ipv6        dotted quad; RFC 5952
cidr              ``network/length``, host bits zeroed; a network of one address is that address
domain            A-labels (UTS 46), lower case, no trailing dot
url               scheme and host lower case and A-labels, default port dropped; path, query, fragment exact
email             lower case, domain in A-labels
md5 sha1 ...      lower case hexadecimal; ``ssdeep`` and unknown algorithms exact
file-name         exact (case counts on most file systems), Unicode NFC
mac               ``aa:bb:cc:dd:ee:ff``
asn               decimal number
================  ====================================================================================

Pure; hostile text raises only ``Malformed``, and no text costs more than its (bounded) length.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, NoReturn

from sanjha.errors import Malformed
from sanjha.stix import hosts
from sanjha.stix.refanging import refang, refang_scheme
from sanjha.stix.suffixes import FILE_SUFFIXES

__all__ = ["HASH_LENGTHS", "KINDS", "Value", "canonical", "hash_kind", "networks", "recognise", "refang"]

URL_LENGTH: Final = 8_000  #: RFC 9110 section 4.1: what every sender and recipient should support
EMAIL_LENGTH: Final = 254  #: RFC 5321 section 4.5.3.1.3: a path of 256 octets with its angle brackets
LOCAL_PART_LENGTH: Final = 64  #: RFC 5321 section 4.5.3.1.1
FILE_NAME_LENGTH: Final = 1_024  #: four times NAME_MAX of POSIX systems and NTFS (255)
HASH_LENGTH: Final = 512  #: the longest digest in use (128 hexadecimal digits) and fuzzy hashes with room to spare
AS_NUMBER_MAX: Final = 2**32 - 1  #: RFC 6793
CELL_LENGTH: Final = 8_192  #: free text longer than this is a document, not a value

#: kinds of plain digests and their hexadecimal length
HASH_LENGTHS: Final[dict[str, int]] = {
    "md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128,
    "sha3-224": 56, "sha3-256": 64, "sha3-384": 96, "sha3-512": 128,
    "ripemd-160": 40, "whirlpool": 128, "imphash": 32,
}  # fmt: skip
KINDS: Final = ("ipv4", "ipv6", "cidr", "domain", "url", "email", "md5", "sha1", "sha256", "sha512",
                "file-name", "mac", "asn", *sorted(HASH_LENGTHS.keys() - {"md5", "sha1", "sha256", "sha512"}),
                "ssdeep", "tlsh")  # fmt: skip
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}
_BY_HEX_LENGTH: Final = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}

_hex = re.compile(r"[0-9A-Fa-f]++").fullmatch
_url = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]{0,31}+)://)?([^/?#\\]++)([/?#].*+)?", re.DOTALL).fullmatch
_authority = re.compile(r"(?:(.*)@)?(\[[^\[\]@]*+\]|[^:@\[\]]*+)(?::([0-9]{0,5}+))?", re.DOTALL).fullmatch
_spaced = re.compile(r"[\x00-\x20\x7f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]").search
_local_part = re.compile(r"[^\x00-\x20\x7f()<>\[\]:;,@\\\"]++").fullmatch
_mac = re.compile(
    r"[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}"
).fullmatch
_asn = re.compile(r"(?:[Aa][Ss][Nn]?\s?)?([0-9]{1,10})").fullmatch
_asn_named = re.compile(r"[Aa][Ss][Nn]?\s?[0-9]{1,10}").fullmatch
_ssdeep = re.compile(r"[0-9]{1,12}:[A-Za-z0-9/+]{0,128}+:[A-Za-z0-9/+]{0,128}+").fullmatch
_tlsh = re.compile(r"(?:[Tt]1)?([0-9A-Fa-f]{70})").fullmatch
_hash_name = re.compile(r"[a-z0-9][a-z0-9_/.-]{0,31}").fullmatch
_path = re.compile(r"(?:[A-Za-z]:\\|\\\\|[/~%.]).*[\\/].*|[^/]*\\[^/]*", re.DOTALL).fullmatch
_top_label = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{1,59}").fullmatch


class Value(NamedTuple):
    """What something is (one of ``KINDS``, or another hash algorithm in lower case) and its canonical text."""

    kind: str
    text: str


def canonical(kind: str, text: str) -> Value:
    """The canonical form; the kind can come back narrower (``10.0.0.1/32`` is an ipv4, ``10.0.0.1/8`` a cidr).

    Raises ``Malformed`` when the text is no such thing.
    """
    reader = _READERS.get(kind)
    if reader is not None:
        return reader(text)
    return _digest(kind, text)


def hash_kind(name: str) -> str:
    """The kind of a STIX hash name (STIX 2.1 section 10, hash-algorithm-ov): ``SHA-256`` -> ``sha256``."""
    lowered = name.strip().lower()
    if lowered.startswith("sha-") or lowered.startswith("sha_"):
        return "sha" + lowered[4:]
    for bits in ("224", "256", "384", "512"):
        if lowered in ("sha3" + bits, "sha3_" + bits):
            return "sha3-" + bits
    return "ripemd-160" if lowered == "ripemd160" else lowered


def networks(value: Value, lengths: Iterable[int]) -> list[str]:
    """Texts of the ``cidr`` values of the given prefix lengths that contain an address or network, longest first.

    ``value`` must be canonical; other kinds lie in no network.
    """
    if value.kind == "cidr":
        address, _, length = value.text.partition("/")
        return hosts.networks_over(address, int(length), lengths)
    if value.kind == "ipv4" or value.kind == "ipv6":
        return hosts.networks_over(value.text, 128 if value.kind == "ipv6" else 32, lengths)
    return []


def recognise(text: str) -> Value | None:
    """The value in a cell of free text, defanged or not; None when it is none that we know.

    The order decides where forms overlap: digest by its length, MAC, address and network, URL, e-mail,
    ``AS``-number (never a bare number), fuzzy hash, path (its last step is the file name), domain.
    ``name.ext`` is a file name when ``ext`` is a known file suffix and no top-level domain
    (``setup.exe``), else a domain (``evil.zip``, ``run.sh`` are both, and a missed domain costs more).
    """
    if len(text) > CELL_LENGTH:
        return None
    text = text.strip().strip("\"'`<>").strip()
    if not text:
        return None
    if _hex(text):
        kind = _BY_HEX_LENGTH.get(len(text))
        return Value(kind, text.lower()) if kind else None
    if _path(text) and "://" not in text and ("\\" not in text or "\\" in text.replace("\\.", "")):
        return _attempt(_file_name, re.split(r"[\\/]", text)[-1])
    plain = refang(text)
    for reader in (_mac_address, _ip):
        found = _attempt(reader, plain)
        if found:
            return found
    if "://" in plain:
        return _attempt(_web, text)
    if "@" in plain and "/" not in plain:
        return _attempt(_mailbox, plain)
    if _asn_named(plain):
        return _attempt(_as_number, plain)
    if _ssdeep(plain):
        return Value("ssdeep", plain)
    if plain[:2] in ("T1", "t1") and _tlsh(plain):
        return _trend(plain)
    name = hosts.domain(plain)
    if name is None:
        if "." in re.split("[/:]", plain, maxsplit=1)[0] and ("/" in plain or ":" in plain):
            return _attempt(_web, text)
        return _attempt(_file_name, text) if _suffix(text) in FILE_SUFFIXES else None
    top = name.rpartition(".")
    if not top[0]:
        return None
    if top[2] in FILE_SUFFIXES:
        return _attempt(_file_name, text)
    return Value("domain", name) if _top_label(top[2]) else None


def _suffix(text: str) -> str:
    return text.rpartition(".")[2].lower() if "." in text else ""


def _attempt(reader: Callable[[str], Value], text: str) -> Value | None:
    try:
        return reader(text)
    except Malformed:
        return None


def _refuse(text: str, what: str, remedy: str) -> NoReturn:
    shown = text if len(text) <= 60 else text[:57] + "..."
    raise Malformed(f"{shown!r} is not {what}: {remedy}")


def _ip(text: str) -> Value:
    found = hosts.ipv4(text)
    if found:
        return Value("ipv4", found)
    text = refang(text[:CELL_LENGTH]).strip()
    if "/" in text:
        found = hosts.network(text)
        if found:
            return Value("cidr" if "/" in found else "ipv6" if ":" in found else "ipv4", found)
    elif ":" in text:
        found = hosts.ipv6(text)
        if found:
            return Value("ipv6", found)
    else:
        found = hosts.ipv4(text)
        if found:
            return Value("ipv4", found)
    _refuse(text, "an IP address or network", "write 192.0.2.1, 2001:db8::1 or 192.0.2.0/24, without leading zeros")


def _name(text: str) -> Value:
    if len(text) <= 4 * hosts.DOMAIN_LENGTH:
        found = hosts.domain(text) or hosts.domain(refang(text).strip())
        if found:
            return Value("domain", found)
    _refuse(text, "a domain name", "write labels of at most 63 characters, 253 in all, with a top label of letters")


def _web(text: str) -> Value:
    text = text.strip()
    if len(text) > URL_LENGTH:
        _refuse(text, "a URL that we index", f"it has {len(text)} characters, the limit is {URL_LENGTH}")
    text = refang_scheme(text)
    found = _web_text(text)  # brackets in the path of a URL that reads well belong to the path
    if found is None:
        plain = refang(text)
        found = _web_text(plain) if plain != text else None
    if found is None:
        _refuse(text, "a URL", "write scheme://host/path without spaces")
    return Value("url", found)


def _web_text(text: str) -> str | None:
    if _spaced(text):
        return None
    parts = _url(text)
    if parts is None:
        return None
    scheme, authority, rest = parts.groups()
    inner = _authority(authority)
    if inner is None:
        return None
    user, raw_host, port = inner.groups()
    host = hosts.host(raw_host)
    # without a scheme only a path or a port makes it more than a host
    if host is None or (scheme is None and ("." not in host or (rest is None and not port))):
        return None
    scheme = scheme.lower() if scheme else ""
    number = int(port) if port else None
    if number is not None and number > 65_535:
        return None
    return "".join((
        scheme + "://" if scheme else "",
        user + "@" if user is not None else "",
        host,
        "" if number is None or number == _DEFAULT_PORTS.get(scheme) else f":{number}",
        rest or "",
    ))  # fmt: skip


def _mailbox(text: str) -> Value:
    if len(text) <= 4 * EMAIL_LENGTH:
        plain = refang(text).strip().removeprefix("mailto:").strip("<>")
        local, _, place = plain.rpartition("@")
        name = hosts.domain(place) if local else None
        if name and _local_part(local) and len(local.encode("utf-8", "replace")) <= LOCAL_PART_LENGTH:
            found = f"{local.lower()}@{name}"
            if len(found) <= EMAIL_LENGTH:
                return Value("email", found)
    _refuse(text, "an e-mail address", "write name@domain")


def _file_name(text: str) -> Value:
    if not text or len(text) > FILE_NAME_LENGTH or "\x00" in text:
        _refuse(text, "a file name", f"write 1 to {FILE_NAME_LENGTH} characters without a zero byte")
    return Value("file-name", text if text.isascii() else unicodedata.normalize("NFC", text))


def _mac_address(text: str) -> Value:
    plain = text.strip() if len(text) < 64 else text
    if not _mac(plain):
        _refuse(text, "a MAC address", "write six pairs of hexadecimal digits: aa:bb:cc:dd:ee:ff")
    digits = re.sub("[:.-]", "", plain).lower()
    return Value("mac", ":".join(digits[i : i + 2] for i in range(0, 12, 2)))


def _as_number(text: str) -> Value:
    found = _asn(text.strip()) if len(text) < 64 else None
    if found is None or int(found[1]) > AS_NUMBER_MAX:
        _refuse(text, "an autonomous system number", f"write AS and a number of at most {AS_NUMBER_MAX}")
    return Value("asn", str(int(found[1])))


def _digest(kind: str, text: str) -> Value:
    length = HASH_LENGTHS.get(kind)
    plain = text.strip() if len(text) <= HASH_LENGTH else text
    if length is not None:
        if len(plain) != length or not _hex(plain):
            _refuse(text, f"a {kind} hash", f"write {length} hexadecimal digits")
        return Value(kind, plain.lower())
    if not _hash_name(kind):
        raise Malformed(
            f"{kind[:40]!r} is no kind of value that we know: use one of {', '.join(KINDS[:13])} or a hash name"
        )
    if not plain or len(plain) > HASH_LENGTH or _spaced(plain):
        _refuse(text, f"a {kind} hash", f"write at most {HASH_LENGTH} characters without spaces")
    return Value(kind, plain.lower() if _hex(plain) else plain)


def _trend(text: str) -> Value:
    found = _tlsh(text.strip()) if len(text) <= HASH_LENGTH else None
    if found is None:
        _refuse(text, "a tlsh hash", "write 70 hexadecimal digits, with or without T1 before them")
    return Value("tlsh", found[1].lower())


_READERS: Final[dict[str, Callable[[str], Value]]] = {
    "ipv4": _ip,
    "ipv6": _ip,
    "cidr": _ip,
    "domain": _name,
    "url": _web,
    "email": _mailbox,
    "file-name": _file_name,
    "mac": _mac_address,
    "asn": _as_number,
    "tlsh": _trend,
}
