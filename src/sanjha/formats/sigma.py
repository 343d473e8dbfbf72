"""Sigma rules (Sigma specification 2.0): detections for whatever reads one's own logs.

Does not block: a rule searches logs that exist already.

One YAML document holds up to ``MOST`` values of one kind. Documents are cut where the hash of a value says so, not by
counting, and a document's UUIDv5 is named after the value before its first: so one new value changes one document and
the ids of the others stay. Values are written as double-quoted YAML scalars with Sigma's wildcards escaped.
"""

import hashlib
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from sanjha.formats.addresses import KINDS, network
from sanjha.formats.breadth import hostname_fault, too_broad
from sanjha.formats.shape import Context, Format, Row, chunked, merged
from sanjha.formats.wording import one_line
from sanjha.stix import timestamps
from sanjha.stix.markings import Tlp

USUAL: Final = 250  #: values of a document on average: backends refuse queries of many thousand terms
MOST: Final = 1_000
MAX_VALUE: Final = 4_096  #: characters of one value in a search term


class _Search(NamedTuple):
    """What a kind is looked for in: title word, logsource lines, (selection, field with modifiers, before, after) …"""

    title: str
    logsource: tuple[str, ...]
    selections: tuple[tuple[str, str, str, str], ...]


_DESTINATION: Final = ("category: network_connection",)
_PROCESS: Final = ("category: process_creation", "product: windows")
SEARCHES: Final = {
    "domain": _Search(
        "DNS queries for domains",
        ("category: dns",),
        (("selection_name", "query", "", ""), ("selection_below", "query|endswith", ".", "")),
    ),
    "url": _Search("Proxy requests for URLs", ("category: proxy",), (("selection", "c-uri", "", ""),)),
    "ipv4": _Search("Connections to IPv4 addresses", _DESTINATION, (("selection", "DestinationIp", "", ""),)),
    "ipv6": _Search("Connections to IPv6 addresses", _DESTINATION, (("selection", "DestinationIp", "", ""),)),
    "cidr": _Search("Connections to networks", _DESTINATION, (("selection", "DestinationIp|cidr", "", ""),)),
    "md5": _Search("Programs by MD5", _PROCESS, (("selection", "Hashes|contains", "MD5=", ""),)),
    "sha1": _Search("Programs by SHA-1", _PROCESS, (("selection", "Hashes|contains", "SHA1=", ""),)),
    "sha256": _Search("Programs by SHA-256", _PROCESS, (("selection", "Hashes|contains", "SHA256=", ""),)),
}

_HASHES: Final = {
    kind: re.compile(f"[0-9a-f]{{{length}}}") for kind, length in (("md5", 32), ("sha1", 40), ("sha256", 64))
}


def scalar(text: str) -> str:
    """``text`` as a double-quoted YAML 1.2 scalar (section 5.7: escapes for whatever does not print)."""
    safe = text.replace("\\", "\\\\").replace('"', '\\"')
    if not safe.isprintable():
        safe = "".join(letter if letter.isprintable() else _escape(ord(letter)) for letter in safe)
    return f'"{safe}"'


def _escape(number: int) -> str:
    if 0xD800 <= number <= 0xDFFF:
        return "?"  # a lone surrogate is no character
    if number <= 0xFF:
        return f"\\x{number:02X}"
    return f"\\u{number:04X}" if number <= 0xFFFF else f"\\U{number:08X}"


def plain(text: str) -> str:
    """``text`` with Sigma's wildcards and its escape character taken literally (specification, "Escaping")."""
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")


def _fault(row: Row) -> str | None:
    if row.kind not in SEARCHES:
        return f"no Sigma log source here for a {one_line(row.kind)}"
    if not row.text or len(row.text) > MAX_VALUE:
        return f"empty, or longer than {MAX_VALUE} characters"
    if not row.text.isprintable():
        return "the value has characters that do not print"
    if row.kind == "domain":
        return hostname_fault(row.text)
    if row.kind in KINDS:
        return too_broad(row.kind, row.text) if network(row.kind, row.text) else "not an IP address or network"
    if row.kind in _HASHES and _HASHES[row.kind].fullmatch(row.text) is None:
        return f"not a {row.kind} in lower-case hexadecimal"
    return None


def _ends_document(row: Row) -> bool:
    digest = hashlib.blake2b(row.text.encode("utf-8", "replace"), digest_size=4).digest()
    return int.from_bytes(digest) % USUAL == 0


def _document(context: Context, before: str, rows: list[Row]) -> str:
    kind = rows[0].kind
    search = SEARCHES[kind]
    seed = f"{context.namespace}/sigma/{kind}/{before}"
    strictest = max(row.tlp for row in rows)
    oldest = timestamps.render(min(row.modified for row in rows))[:10]
    newest = timestamps.render(max(row.modified for row in rows))[:10]
    node = one_line(context.node, 80)
    lines = [
        "---",
        f"title: {scalar(f'{search.title} known to {node}')}",
        f"id: {uuid.uuid5(uuid.NAMESPACE_URL, seed)}",
        "status: experimental",
        f"description: {scalar(f'Values: {len(rows)}, the first {one_line(rows[0].text)}')}",
        f"author: {scalar(node)}",
        f"date: {oldest}",
        f"modified: {newest}",
        *(["tags:", "  - tlp." + Tlp(strictest).name.lower().replace("_", "-")] if 0 <= strictest <= Tlp.RED else []),
        "logsource:",
        *("  " + line for line in search.logsource),
        "detection:",
    ]
    for name, field, head, tail in search.selections:
        lines += (f"  {name}:", f"    {field}:")
        lines += (f"      - {scalar(head + plain(row.text) + tail)}" for row in rows)
    condition = "selection" if len(search.selections) == 1 else "1 of selection_*"
    lines += (f"  condition: {condition}", "level: medium\n")
    return "\n".join(lines)


def _documents(rows: Iterable[Row], context: Context) -> Iterator[str]:
    batch: list[Row] = []
    before = ""
    for row in merged(rows):
        reason = _fault(row)
        if reason is not None:
            context.left_out(row, reason)
            continue
        if batch and batch[0].kind != row.kind:
            yield _document(context, before, batch)
            batch, before = [], ""
        batch.append(row)
        if len(batch) == MOST or _ends_document(row):
            yield _document(context, before, batch)
            batch, before = [], row.text
    if batch:
        yield _document(context, before, batch)


def render(rows: Iterator[Row], context: Context) -> Iterator[bytes]:
    """A YAML stream of rules; no bytes when there is nothing to look for."""
    return chunked(_documents(rows, context))


FORMAT: Final = Format("sigma", "application/yaml", ".yml", "values", frozenset(SEARCHES), False, render, "Sigma rules")
