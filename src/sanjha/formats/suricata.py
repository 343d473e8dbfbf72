"""Suricata rules (7 and 8): ``alert`` only.

Does not block: an alert on one's own sensor watches and stops nothing. But it is a use "on the network", which PAP:RED
rules out (MISP taxonomy PAP), so AMBER is the strictest it takes. Whoever makes ``drop`` of ``alert`` decides so there.

* address, network: one rule, either direction.
* domain: three rules (DNS query, TLS server name, HTTP host), each for the name and everything below it.
* URL (http, https): HTTP host, exact, and URI, exact. Of an https URL a sensor sees it only behind a TLS-ending proxy.
* Hashes are not rules (they need files beside the rules): use the list formats with ``filesha256``.

A sid must stay with its value from export to export. It is a hash of (rule sort, value) in the range
``SID_FIRST .. SID_LAST``, which nobody has allocated (sidallocation.org lists none above 2,900,000,000) and which is
wide enough for millions of values; when two values of one export fall on one sid the later one, in the order of the
export, takes the next hash of itself that is free. ``rev`` is the second at which the value was last modified.
"""

import hashlib
import re
from array import array
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from sanjha.formats.addresses import KINDS, canonical, ipv4, network
from sanjha.formats.breadth import hostname_fault, too_broad
from sanjha.formats.shape import Context, Format, Row, chunked, merged
from sanjha.formats.wording import one_line
from sanjha.stix.markings import Pap, Tlp

SID_FIRST: Final = 3_000_000_000
SID_LAST: Final = 4_294_967_294  #: 2**32 - 2: a sid is a 32-bit number (Suricata, detect-sid.c)
MAX_RULE: Final = 8_000  #: characters; Suricata's line buffer is 8192 (DETECT_MAX_RULE_SIZE, detect.h)

_HEX: Final = re.compile(rb"[^A-Za-z0-9_./=&?~%+,@-]+")
_UNNORMAL: Final = re.compile(r"%|//|\\|/\.")
_NOT_IN_URL: Final = re.compile(r"[\x00-\x20\x7f]")
_ID: Final = re.compile(r"[a-z0-9-]{1,64}--[0-9a-f-]{36}")


class Sids:
    """The sids of one export: at most about 16 bytes a rule, whatever Python's own sets would take."""

    def __init__(self) -> None:
        self._slots = array("I", bytes(4 * 1024))
        self._held = 0

    def give(self, sort: str, value: str) -> int:
        """The first free sid among the hashes of (sort, value)."""
        for attempt in range(1_000):
            seed = f"{sort}\0{value}\0{attempt}" if attempt else f"{sort}\0{value}"
            digest = hashlib.blake2b(seed.encode("utf-8", "replace"), digest_size=8).digest()
            sid = SID_FIRST + int.from_bytes(digest) % (SID_LAST - SID_FIRST + 1)
            if self._take(self._slots, sid):
                self._held += 1
                if 2 * self._held > len(self._slots):
                    self._grow()
                return sid
        raise AssertionError("a thousand hashes of one value were all taken: the sid range is full")

    @staticmethod
    def _take(slots: "array[int]", sid: int) -> bool:
        mask = len(slots) - 1
        place = sid & mask
        while slots[place]:
            if slots[place] == sid:
                return False
            place = (place + 1) & mask
        slots[place] = sid
        return True

    def _grow(self) -> None:
        wider = array("I", bytes(4 * 2 * len(self._slots)))
        for sid in self._slots:
            if sid:
                self._take(wider, sid)
        self._slots = wider


def content(text: str) -> str:
    """``text`` inside a ``content:"..."``: every byte with a meaning, or without a glyph, in hexadecimal."""
    raw = text.encode("utf-8", "replace")
    return _HEX.sub(lambda found: b"|" + found.group().hex(" ").encode() + b"|", raw).decode()


def _rule(sids: Sids, row: Row, sort: str, head: str, match: str) -> str:
    name = one_line(row.name or "")
    message = f"Sanjha {sort} {one_line(row.text, 200)}" + (f" - {name}" if name else "")
    facts = [f"stix_id {row.id}"] if _ID.fullmatch(row.id) else []
    if 0 <= row.tlp <= Tlp.RED:
        facts.append("tlp " + Tlp(row.tlp).name.lower())
    if row.confidence is not None:
        facts.append(f"confidence {int(row.confidence)}")
    metadata = f" metadata:{', '.join(facts)};" if facts else ""
    revision = min(max(row.modified // 1_000_000, 1), 2**32 - 1)
    sid = sids.give(sort, row.text)
    return f'alert {head} (msg:"{message}"; {match}classtype:bad-unknown;{metadata} sid:{sid}; rev:{revision};)\n'


def _domain(sids: Sids, row: Row) -> str:
    below = f'dotprefix; content:".{content(row.text)}"; '
    out = "$HOME_NET any -> any any"
    to_server = "flow:established,to_server; "
    return (
        _rule(sids, row, "dns", f"dns {out}", f"dns.query; {below}nocase; endswith; ")
        + _rule(sids, row, "tls", f"tls {out}", f"{to_server}tls.sni; {below}nocase; endswith; ")
        + _rule(sids, row, "http", f"http {out}", f"{to_server}http.host; {below}endswith; ")
    )


def _exact(text: str) -> str:
    return f'content:"{content(text)}"; bsize:{len(text.encode("utf-8", "replace"))}; '


def _url(sids: Sids, row: Row) -> str | None:
    """None when it is not an http or https URL. ``http.uri`` is decoded and cleaned by the sensor (and works for
    requests through a proxy), so a path that cleaning would change is matched in ``http.uri.raw``."""
    try:
        parts = urlsplit(row.text)
        host = parts.hostname or ""
        _ = parts.port  # raises where the port is no number
    except ValueError:
        return None
    # urlsplit drops line breaks and reads on; a backslash is a slash to browsers: either way the host would be a guess
    if parts.scheme not in ("http", "https") or _NOT_IN_URL.search(row.text) or "\\" in parts.netloc:
        return None
    if ":" in host or "[" in parts.netloc:
        read = network("ipv6", host)
        if read is None:
            return None
        host = f"[{canonical(read)}]"
    elif ipv4(host) is None and hostname_fault(host):
        return None
    path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    buffer = "http.uri.raw" if _UNNORMAL.search(path) or not path.isascii() else "http.uri"
    match = f"flow:established,to_server; http.host; {_exact(host.lower())}{buffer}; {_exact(path)}"
    return _rule(sids, row, "url", "http $HOME_NET any -> any any", match)


def _rules(rows: Iterable[Row], context: Context) -> Iterator[str]:
    yield f"# Suricata rules of {one_line(context.node)}; sids {SID_FIRST} to {SID_LAST}\n"
    sids = Sids()
    for row in merged(rows):
        rule: str | None = None
        reason = too_broad(row.kind, row.text)
        if reason is not None:
            pass
        elif row.kind in KINDS:
            read = network(row.kind, row.text)
            if read is None:
                reason = "not an IP address or network"
            else:
                rule = _rule(sids, row, "ip", f"ip $HOME_NET any <> {canonical(read)} any", "")
        elif row.kind == "domain":
            reason = hostname_fault(row.text)
            rule = None if reason else _domain(sids, row)
        elif row.kind == "url":
            rule = _url(sids, row)
            if rule is None:
                reason = "not an http or https URL with a host: Suricata's HTTP keywords cannot say it"
            elif len(rule) > MAX_RULE:
                rule, reason = None, f"the rule would be longer than {MAX_RULE} characters"
        else:
            reason = f"Suricata rules cannot say a {one_line(row.kind)}"
        if rule is not None:
            yield rule
        else:
            context.left_out(row, reason or "not expressible")


def render(rows: Iterator[Row], context: Context) -> Iterator[bytes]:
    """A rules file; a comment line first."""
    return chunked(_rules(rows, context))


FORMAT: Final = Format(
    "suricata",
    "text/plain; charset=utf-8",
    ".rules",
    "values",
    frozenset({"ipv4", "ipv6", "cidr", "domain", "url"}),
    False,
    render,
    "Suricata rules",
    Pap.AMBER,
)
