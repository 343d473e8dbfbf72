"""DNS Response Policy Zone (draft-vixie-dnsop-dns-rpz; BIND 9 ARM, "Response Policy Zones"): answers NXDOMAIN.

Blocks: a resolver that loads it stops answering.

Names are relative to the zone, so an operator calls the zone as they like (up to ``MAX_ORIGIN`` octets):
``evil.example`` and everything below it by two QNAME triggers, addresses by response-IP triggers (``rpz-ip``).
A name that ends like a trigger (``… .rpz-ip``) would be one and is left out.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from sanjha.formats.addresses import KINDS, Network, longest_zeros, network
from sanjha.formats.breadth import IPV4_MAPPED, hostname_fault, too_broad
from sanjha.formats.shape import Context, Format, Row, chunked, merged
from sanjha.formats.wording import one_line
from sanjha.stix.markings import Pap

MAX_ORIGIN: Final = 64  #: octets on the wire kept free for the zone's own name
_MAX_WIRE: Final = 255  #: RFC 1035 section 2.3.4
TTL: Final = 300  #: seconds: how long a withdrawn value may linger in a cache


def trigger(found: Network) -> str:
    """The owner name of a response-IP trigger: ``32.1.2.0.192.rpz-ip``, ``128.1.zz.db8.2001.rpz-ip``."""
    if found.version == 4:
        octets = [str((found.first >> shift) & 0xFF) for shift in (0, 8, 16, 24)]
        return ".".join([str(found.length), *octets, "rpz-ip"])
    words = [f"{(found.first >> shift) & 0xFFFF:x}" for shift in range(112, -1, -16)]
    start, size = longest_zeros(words)
    if size >= 2:
        words[start : start + size] = ["zz"]
    return ".".join([str(found.length), *reversed(words), "rpz-ip"])


def _name_fault(text: str) -> str | None:
    reason = hostname_fault(text)
    if reason is not None:
        return reason
    if text.rpartition(".")[2].startswith("rpz-"):
        return "ends like an RPZ trigger: the resolver would not read it as a name"
    if len(text) + len("*.") + 1 + MAX_ORIGIN > _MAX_WIRE:
        return f"too long: with *. and a zone name of {MAX_ORIGIN} octets it would pass {_MAX_WIRE}"
    return None


def _lines(rows: Iterable[Row], context: Context) -> Iterator[str]:
    yield (
        f"; Response policy zone of {one_line(context.node)}\n"
        f"$TTL {TTL}\n"
        f"@ SOA localhost. hostmaster.localhost. {context.serial % 2**32} 3600 600 604800 {TTL}\n"
        f"@ NS localhost.\n"
    )
    for row in merged(rows):
        reason = too_broad(row.kind, row.text)
        if reason is not None:
            context.left_out(row, reason)
        elif row.kind == "domain":
            reason = _name_fault(row.text)
            if reason is None:
                yield f"{row.text} CNAME .\n*.{row.text} CNAME .\n"
            else:
                context.left_out(row, reason)
        elif row.kind in KINDS:
            read = network(row.kind, row.text)
            if read is None:
                context.left_out(row, "not an IP address or network")
            elif read.version == 6 and read.length >= 96 and read.first >> 32 == IPV4_MAPPED >> 32:
                context.left_out(row, "an IPv4 address in IPv6 form: BIND takes it only as IPv4")
            else:
                yield f"{trigger(read)} CNAME .\n"
        else:
            context.left_out(row, f"a response policy zone cannot say a {one_line(row.kind)}")


def render(rows: Iterator[Row], context: Context) -> Iterator[bytes]:
    """A zone file in master format (RFC 1035 section 5), relative to whatever origin it is loaded with."""
    return chunked(_lines(rows, context))


FORMAT: Final = Format(
    "rpz",
    "text/dns",  # RFC 4027
    ".zone",
    "values",
    frozenset({"ipv4", "ipv6", "cidr", "domain"}),
    True,
    render,
    "DNS response policy zone",
    Pap.GREEN,
)
