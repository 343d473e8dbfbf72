"""nftables sets: ``nft -f FILE`` replaces both sets at once.

Blocks: the sets are there to be dropped by the operator's own rules (the heading shows one; the file itself holds no
chain, so that loading it cannot cut anybody off by surprise).

nft takes a file as one transaction: the table and the sets are made when missing, emptied, and filled again, and a
reader of the ruleset sees the old contents or the new, never a part. Elements carry no comment: with ``auto-merge``
neighbours become one interval and nft refuses to merge what has comments.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from sanjha.formats.addresses import canonical, network
from sanjha.formats.breadth import too_broad
from sanjha.formats.shape import Context, Format, Row, chunked, merged
from sanjha.formats.wording import one_line
from sanjha.stix.markings import Pap

TABLE: Final = "inet sanjha"
SETS: Final = {4: "block4", 6: "block6"}
ELEMENTS: Final = 1_000  #: a command: a netlink message of some tens of kilobytes


def _command(name: str, elements: list[str]) -> str:
    return f"add element {TABLE} {name} {{ {', '.join(elements)} }}\n"


def _lines(rows: Iterable[Row], context: Context) -> Iterator[str]:
    node = one_line(context.node, 60)
    kinds = {4: "ipv4_addr", 6: "ipv6_addr"}
    yield (
        "#!/usr/sbin/nft -f\n"
        f"# Sets of {node}, serial {int(context.serial)}. To use them, in a chain of your own:\n"
        f"#   ip daddr @{SETS[4]} drop   and   ip6 daddr @{SETS[6]} drop   (table {TABLE})\n"
        f"add table {TABLE}\n"
    )
    for version, name in SETS.items():
        # nft keeps at most 128 bytes of comment, the final zero included
        comment = f"{node} IPv{version}".encode()[:120].decode("utf-8", "ignore")
        yield f'add set {TABLE} {name} {{ type {kinds[version]}; flags interval; auto-merge; comment "{comment}"; }}\n'
        yield f"flush set {TABLE} {name}\n"
    waiting: dict[int, list[str]] = {4: [], 6: []}
    for row in merged(rows):
        reason = too_broad(row.kind, row.text)
        read = network(row.kind, row.text)
        if reason is not None or read is None:
            context.left_out(row, reason or "not an IP address or network")
            continue
        batch = waiting[read.version]
        batch.append(canonical(read))
        if len(batch) == ELEMENTS:
            yield _command(SETS[read.version], batch)
            batch.clear()
    for version, batch in waiting.items():
        if batch:
            yield _command(SETS[version], batch)


def render(rows: Iterator[Row], context: Context) -> Iterator[bytes]:
    """An nft script: one transaction."""
    return chunked(_lines(rows, context))


FORMAT: Final = Format(
    "nftables",
    "text/plain; charset=utf-8",
    ".nft",
    "values",
    frozenset({"ipv4", "ipv6", "cidr"}),
    True,
    render,
    "nftables sets",
    Pap.GREEN,
)
