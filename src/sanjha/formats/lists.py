"""Plain lists, one value a line, one format a kind: the form that every firewall, proxy and mail filter reads.

Blocks: such a list is what people put in a firewall's external dynamic list, so PAP applies and nothing too broad
passes (``breadth``). There is no header: many devices read a comment as a value.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from sanjha.formats.addresses import KINDS as NETWORK_KINDS
from sanjha.formats.addresses import network
from sanjha.formats.breadth import hostname_fault, too_broad
from sanjha.formats.shape import Context, Format, Row, chunked, merged
from sanjha.stix.markings import Pap

KINDS: Final = (
    "ipv4", "ipv6", "cidr", "domain", "url", "email", "md5", "sha1", "sha256", "sha512", "file-name", "mac", "asn",
)  # fmt: skip
COMMENT_STARTS: Final = "#;!"  #: what list readers take for a comment (hosts, adblock and Squid forms)


def fault(row: Row) -> str | None:
    """Why a list cannot say this value, or None when it can."""
    text = row.text
    if not text or not text.isprintable():
        return "the value has a line break or another character that does not print"
    if text[0] in COMMENT_STARTS:
        return "the value starts like a comment: a device would not read it"
    if text[0] == " " or text[-1] == " ":
        return "the value starts or ends with a space: a device would cut it off"
    if row.kind in NETWORK_KINDS and network(row.kind, text) is None:
        return "not an IP address or network"
    if row.kind == "domain" and "." in text:
        return hostname_fault(text)
    return too_broad(row.kind, text)


def _lines(rows: Iterable[Row], context: Context) -> Iterator[str]:
    for row in merged(rows):
        reason = fault(row)
        if reason is None:
            yield row.text + "\n"
        else:
            context.left_out(row, reason)


def _renderer(kind: str) -> Callable[[Iterator[Row], Context], Iterator[bytes]]:
    def render(rows: Iterator[Row], context: Context) -> Iterator[bytes]:
        return chunked(_lines((row for row in rows if row.kind == kind), context))

    return render


FORMATS: Final = tuple(
    Format(
        f"list-{kind}",
        "text/plain; charset=utf-8",
        ".txt",
        "values",
        frozenset({kind}),
        True,
        _renderer(kind),
        f"Plain list: {kind}",
        Pap.GREEN,
    )
    for kind in KINDS
)
