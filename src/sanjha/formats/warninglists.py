"""MISP warning lists: which values are known to be good, or too common to act on (github.com/MISP/misp-warninglists).

==========  ===================================================================================================
type        a value hits when
==========  ===================================================================================================
string      it is an entry, whatever the case; a URL also when it is nothing but an entry's host (``http://a.example/``)
hostname    its host is an entry or below one; for URLs and e-mail addresses the host in them
substring   it contains an entry, whatever the case
cidr        its address lies in an entry; a network also when it only overlaps one: blocking it would hit the entry
regex       an entry matches somewhere in it (``safe_regex``)
==========  ===================================================================================================

A list speaks only of the attribute types in its ``matching_attributes``; without any, of all. One difference to MISP:
an entry of a *string* list that starts with a dot (``.google.com``) is read as a hostname entry, which is what its
author meant; MISP compares it letter for letter and never hits.

Built once, then read only: a lookup costs a few dictionary reads and one bisection, however long the lists are.
"""

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from sanjha.errors import Malformed, TooLarge
from sanjha.formats.addresses import ipv4
from sanjha.formats.safe_regex import SafeRegex, admit
from sanjha.stix.values import canonical

MAX_LIST: Final = 64 * 2**20  #: bytes; the largest public list (a million domains) has 22 MB
MAX_LISTS: Final = 1_000  #: the public repository has some 230
MAX_ENTRY: Final = 2_048  #: characters: a long URL
MAX_TEXT: Final = 8_192  #: characters of a value that are looked at
MAX_REGEXES: Final = 200  #: over all lists; each is tried in turn
_GRAM: Final = 3

_IP: Final = frozenset({"ip-src", "ip-dst", "ip-src|port", "ip-dst|port", "domain|ip"})
_ATTRIBUTES: Final = {
    "ipv4": _IP,
    "ipv6": _IP,
    "cidr": _IP,
    "domain": frozenset({"domain", "hostname", "domain|ip", "hostname|port"}),
    "url": frozenset({"url", "uri", "link"}),
    "email": frozenset({"email", "email-src", "email-dst", "email-reply-to", "target-email", "whois-registrant-email"}),
    "file-name": frozenset({"filename"}),
    "mac": frozenset({"mac-address"}),
    "asn": frozenset({"AS"}),
}


class WarningList(msgspec.Struct, frozen=True):
    """What a list says of itself. ``type``: string, hostname, substring, cidr or regex.

    ``category`` is MISP's: ``false_positive``, or ``known`` for what is only worth knowing; mostly unstated.
    """

    name: str
    version: int
    type: str
    entries: int
    description: str = ""
    category: str = ""


class Declined(msgspec.Struct, frozen=True):
    """An entry that was not taken, and why; the rest of its list was."""

    list: str
    entry: str
    reason: str


class _File(msgspec.Struct, rename={"entries": "list", "attributes": "matching_attributes"}):
    name: str
    type: str
    entries: list[str | int]
    version: int | str = 0
    description: str = ""
    attributes: list[str] = []
    category: str | None = None


class _Networks:
    """Disjoint stretches of addresses, each with the set (bit mask) of the lists that contain it."""

    def __init__(self) -> None:
        self._edges: dict[int, list[tuple[int, int]]] = {}
        self._starts: list[int] = [0]
        self._tree: list[int] = [0, 0]

    def add(self, first: int, last: int, number: int) -> None:
        self._edges.setdefault(first, []).append((number, 1))
        self._edges.setdefault(last + 1, []).append((number, -1))

    def settle(self, lists: int) -> None:
        """Turns what was added into stretches, with a tree of unions above them for wide networks."""
        held = [0] * lists
        mask = 0
        masks = [0]
        for start in sorted(self._edges):
            for number, change in self._edges[start]:
                held[number] += change
                mask = mask | 1 << number if held[number] else mask & ~(1 << number)
            self._starts.append(start)
            masks.append(mask)
        self._edges.clear()
        size = len(masks)
        self._tree = [0] * size + masks
        for place in range(size - 1, 0, -1):
            self._tree[place] = self._tree[2 * place] | self._tree[2 * place + 1]

    def at(self, address: int) -> int:
        size = len(self._tree) // 2
        return self._tree[size + bisect_right(self._starts, address) - 1]

    def across(self, first: int, last: int) -> int:
        size = len(self._tree) // 2
        low = size + bisect_right(self._starts, first) - 1
        high = size + bisect_right(self._starts, last)
        mask = 0
        while low < high:
            if low & 1:
                mask |= self._tree[low]
                low += 1
            if high & 1:
                high -= 1
                mask |= self._tree[high]
            low >>= 1
            high >>= 1
        return mask


class WarningLists:
    """Every list that was loaded. ``declined`` names the entries that could not be used."""

    def __init__(self) -> None:
        self.lists: tuple[WarningList, ...] = ()
        self.declined: tuple[Declined, ...] = ()
        self._strings: dict[str, int] = {}
        self._hosts: dict[str, int] = {}
        self._grams: dict[str, list[tuple[str, int]]] = {}
        self._short: list[tuple[str, int]] = []
        self._regexes: list[tuple[SafeRegex, int]] = []
        self._networks = {4: _Networks(), 6: _Networks()}
        self._attributes: list[frozenset[str]] = []
        self._applies: dict[str, int] = {}
        self._names: dict[int, tuple[str, ...]] = {0: ()}

    def hits(self, kind: str, text: str) -> tuple[str, ...]:
        """The names of the lists that know this canonical value, in the order of loading; () for none."""
        applies = self._applies.get(kind)
        if applies is None:
            applies = self._applying(kind)
        if not applies or len(text) > MAX_TEXT:
            return ()
        mask = 0
        if kind == "ipv4":
            number = ipv4(text)
            if number is not None:
                mask = self._networks[4].at(number)
            mask |= self._strings.get(text, 0)
        elif kind == "ipv6" or kind == "cidr":
            mask = self._strings.get(text, 0) | self._across(text)
        else:
            text = text.lower()
            mask = self._strings.get(text, 0)
            if kind == "domain":
                mask |= self._below(text)
            elif kind == "url":
                host = _host(text)
                mask |= self._below(host) | (self._strings.get(host, 0) if text.endswith(host + "/") else 0)
            elif kind == "email":
                mask |= self._below(text.rpartition("@")[2])
        if self._grams or self._short:
            mask |= self._inside(text)
        for regex, bit in self._regexes:
            if bit & applies and not bit & mask and regex.found_in(text):
                mask |= bit
        mask &= applies
        names = self._names.get(mask)
        if names is None:
            names = tuple(one.name for number, one in enumerate(self.lists) if mask >> number & 1)
            self._names[mask] = names
        return names

    def _applying(self, kind: str) -> int:
        wanted = _ATTRIBUTES.get(kind) or frozenset({kind, f"filename|{kind}"})
        mask = sum(1 << number for number, types in enumerate(self._attributes) if not types or types & wanted)
        if len(self._applies) < 64:  # kinds of hashes are an open vocabulary
            self._applies[kind] = mask
        return mask

    def _across(self, text: str) -> int:
        try:
            found = ipaddress.ip_network(text, strict=False)
        except ValueError:
            return 0
        first = int(found.network_address)
        networks = self._networks[found.version]
        if found.prefixlen == found.max_prefixlen:
            return networks.at(first)
        return networks.across(first, int(found.broadcast_address))

    def _below(self, host: str) -> int:
        mask = 0
        while host:
            mask |= self._hosts.get(host, 0)
            host = host.partition(".")[2]
        return mask

    def _inside(self, text: str) -> int:
        mask = 0
        for needle, bit in self._short:
            if needle in text:
                mask |= bit
        for place in range(len(text) - _GRAM + 1):
            for needle, bit in self._grams.get(text[place : place + _GRAM], ()):
                if text.startswith(needle, place):
                    mask |= bit
        return mask

    def _add(self, kind: str, entry: str, number: int) -> None:
        """Raises ``Malformed`` when the entry cannot be used."""
        bit = 1 << number
        single = ipv4(entry) if kind == "cidr" else None
        if single is not None:
            self._networks[4].add(single, single, number)
        elif kind == "cidr":
            try:
                found = ipaddress.ip_network(entry, strict=False)
            except ValueError:
                raise Malformed("not an IP address or network") from None
            first, last = int(found.network_address), int(found.broadcast_address)
            self._networks[found.version].add(first, last, number)
        elif kind == "regex":
            if len(self._regexes) == MAX_REGEXES:
                raise TooLarge(f"more than {MAX_REGEXES} regular expressions")
            self._regexes.append((admit(entry), bit))
        elif kind == "substring":
            needle = entry.lower()
            if len(needle) < _GRAM:
                self._short.append((needle, bit))
            else:
                self._grams.setdefault(needle[:_GRAM], []).append((needle, bit))
        elif kind == "hostname" or entry.startswith("."):
            host = (
                _domain(entry.lstrip("*.").rstrip("."))
                if kind == "string" or "/" not in entry
                else _host(entry.lower())
            )
            self._hosts[host] = self._hosts.get(host, 0) | bit
        else:
            text = _domain(entry)
            self._strings[text] = self._strings.get(text, 0) | bit


def _domain(entry: str) -> str:
    """An entry as our canonical values are written: lower case, and a name in other letters as A-labels."""
    if entry.isascii():
        return entry.lower()
    try:
        return canonical("domain", entry).text
    except Malformed:
        return entry.lower()


def _host(url: str) -> str:
    """The host of a lower-case URL, or of ``host/path``; no port, no user."""
    rest = url.partition("://")[2] or url
    for stop in "/?#":
        rest = rest.partition(stop)[0]
    rest = rest.rpartition("@")[2]
    return rest if rest.startswith("[") else rest.partition(":")[0]


_TYPES: Final = frozenset({"string", "hostname", "substring", "cidr", "regex"})
_decoder: Final = msgspec.json.Decoder(_File)


def _read(number: int, raw: bytes) -> _File:
    if len(raw) > MAX_LIST:
        raise TooLarge(f"warning list {number} has {len(raw)} bytes: at most {MAX_LIST} are read")
    try:
        read = _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"warning list {number} is not a MISP warning list: {str(error)[:200]}") from None
    if read.type not in _TYPES:
        raise Malformed(f"warning list {read.name[:80]!r} has the type {read.type[:40]!r}: known are {sorted(_TYPES)}")
    return read


def load(files: Iterable[bytes]) -> WarningLists:
    """Reads the ``list.json`` of each list.

    Raises ``Malformed`` for a file that is none, numbered from 1; a single bad entry is only noted in ``declined``.
    """
    loaded = WarningLists()
    described: list[WarningList] = []
    declined: list[Declined] = []
    for number, raw in enumerate(files):
        if number == MAX_LISTS:
            raise TooLarge(f"more than {MAX_LISTS} warning lists")
        read = _read(number + 1, raw)
        taken = 0
        for entry in _entries(read):
            try:
                if not entry or len(entry) > MAX_ENTRY:
                    raise Malformed(f"empty, or longer than {MAX_ENTRY} characters")
                loaded._add(read.type, entry, number)
                taken += 1
            except Malformed as error:
                declined.append(Declined(read.name, entry[:100], error.public))
        loaded._attributes.append(frozenset(read.attributes))
        version = int(read.version) if str(read.version).isascii() and str(read.version).isdigit() else 0
        described.append(WarningList(read.name, version, read.type, taken, read.description, read.category or ""))
    for networks in loaded._networks.values():
        networks.settle(len(described))
    loaded.lists, loaded.declined = tuple(described), tuple(declined)
    return loaded


def _entries(read: _File) -> Iterator[str]:
    for entry in read.entries:
        yield str(entry).strip()
