"""Which network addresses the node may reach out to. Pure: names are resolved elsewhere, once, and judged here.

Everything that is not plainly a public unicast address is refused, unless an administrator admits it by network or
name. The tables are IANA's special-purpose registries (RFC 6890 and its successors), less what is globally reachable.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from sanjha.errors import WrongUse

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Never reached, whatever the allow-list says: they name no single other machine.
_NEVER = {
    "0.0.0.0/8": "an address of this host itself",
    "224.0.0.0/4": "a multicast address",
    "255.255.255.255/32": "the broadcast address",
    "::/128": "an address of this host itself",
    "ff00::/8": "a multicast address",
}
#: Admitted for a host that the allow-list names: where an own peer may live.
_OWN = {
    "10.0.0.0/8": "a private address",
    "100.64.0.0/10": "a shared address",
    "127.0.0.0/8": "a loopback address",
    "172.16.0.0/12": "a private address",
    "192.168.0.0/16": "a private address",
    "::1/128": "a loopback address",
    "fc00::/7": "a private address",
}
#: Admitted only by a network in the allow-list: cloud metadata and services, documentation, benchmarks, protocol use.
_ODD = {
    "100.100.100.200/32": "a cloud metadata address",
    "168.63.129.16/32": "a cloud metadata address",
    "fd00:ec2::254/128": "a cloud metadata address",
    "fd20:ce::254/128": "a cloud metadata address",
    "169.254.0.0/16": "a link-local address",
    "192.0.0.0/24": "a reserved address",
    "192.0.2.0/24": "a documentation address",
    "192.88.99.0/24": "a reserved address",
    "198.18.0.0/15": "a benchmark address",
    "198.51.100.0/24": "a documentation address",
    "203.0.113.0/24": "a documentation address",
    "240.0.0.0/4": "a reserved address",
    "2001::/23": "a reserved address",
    "2001:db8::/32": "a documentation address",
    "3fff::/20": "a documentation address",
    "fe80::/10": "a link-local address",
}
_HOST = re.compile(r"(?P<host>[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?)(?::(?P<port>[0-9]{1,5}))?", re.ASCII)


def _table(rows: dict[str, str]) -> tuple[tuple[Network, str], ...]:
    return tuple((ipaddress.ip_network(text), what) for text, what in rows.items())


_NEVER_NETWORKS, _OWN_NETWORKS, _ODD_NETWORKS = _table(_NEVER), _table(_OWN), _table(_ODD)
_GLOBAL6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)


class Verdict(NamedTuple):
    """``refusal``: None, or what the address is, for people. ``listed``: the allow-list names it."""

    refusal: str | None
    listed: bool


@dataclass(frozen=True, slots=True)
class AllowList:
    """What an administrator admits beyond the public internet: networks, and hosts by name with or without a port."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[tuple[str, int | None]] = frozenset()

    def names(self, host: str, port: int) -> bool:
        """Whether the list has this host, for this port or any."""
        return (host, None) in self.hosts or (host, port) in self.hosts


def parse_allow(entries: Iterable[str]) -> AllowList:
    """``10.1.0.0/16``, ``::1``, ``peer.example`` or ``peer.example:8443``. Raises ``WrongUse``."""
    networks: list[Network] = []
    hosts: set[tuple[str, int | None]] = set()
    for entry in entries:
        try:
            networks.append(ipaddress.ip_network(entry.strip()))
            continue
        except ValueError:
            found = _HOST.fullmatch(entry.strip().lower().removesuffix("."))
        # A mistyped network must not become a host name that never matches.
        if found is None or re.fullmatch(r"[0-9.]+", found["host"]) or int(found["port"] or 1) not in range(1, 65_536):
            raise WrongUse(
                f"{entry!r} in the allow-list is no network, address or host name;"
                " write 10.1.0.0/16 (host bits zero), ::1, peer.example or peer.example:8443"
            )
        hosts.add((found["host"], int(found["port"]) if found["port"] else None))
    return AllowList(tuple(networks), frozenset(hosts))


def judge(address: Address, host: str, port: int, allow: AllowList) -> Verdict:
    """Whether a connection to ``address``, which ``host`` resolved to, may be made.

    1. An IPv4 address inside an IPv6 one (mapped, NAT64, 6to4) is judged as the IPv4 address that it reaches; one
       inside an interface identifier (ISATAP, RFC 5214) is judged as well.
    2. What names no single machine is refused. 3. A network in the allow-list admits.
    4. A host in the allow-list admits private and loopback addresses. 5. The public internet is admitted, no more.
    """
    verdicts = [_judge_one(reached, host, port, allow) for reached in _reached(address)]  # 1
    return next((verdict for verdict in verdicts if verdict.refusal is not None), verdicts[0])


def _judge_one(judged: Address, host: str, port: int, allow: AllowList) -> Verdict:
    never = _find(judged, _NEVER_NETWORKS)
    if never is not None:  # 2
        return Verdict(never, False)
    if any(judged in network for network in allow.networks):  # 3
        return Verdict(None, True)
    named = allow.names(host, port)
    odd = _find(judged, _ODD_NETWORKS)
    if odd is not None:
        return Verdict(odd, False)
    own = _find(judged, _OWN_NETWORKS)
    if own is not None:  # 4
        return Verdict(None if named else own, named)
    if isinstance(judged, ipaddress.IPv6Address) and judged not in _GLOBAL6:
        return Verdict("a reserved address", False)
    return Verdict(None, named)  # 5


def _find(address: Address, table: tuple[tuple[Network, str], ...]) -> str | None:
    return next((what for network, what in table if address in network), None)


def _reached(address: Address) -> list[Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address.sixtofour]
    number = int(address)
    low = ipaddress.IPv4Address(number & 0xFFFFFFFF)
    if address in _NAT64:
        return [low]
    return [address, low] if (number >> 32) & 0xFFFFFFFF in _ISATAP else [address]
