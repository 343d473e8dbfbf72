import ipaddress

import pytest

from sanjha.errors import WrongUse
from sanjha.node.adapters.addresses import judge, parse_allow

NOBODY = parse_allow(())


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.8.8", "168.63.129.16",
        "169.254.169.254", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "100::1",
        "2001::1", "2001:0:808:808::1", "2001:db8::1", "2002:7f00:1::1", "2002:a00:1::1", "3fff::1", "5f00::1",
        "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::5efe:808:808", "2606:4700::5efe:a00:1", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_what_is_not_plainly_public_is_refused(text: str) -> None:
    assert judge(ipaddress.ip_address(text), "feed.example", 443, NOBODY).refusal


@pytest.mark.parametrize(
    "text",
    ["1.1.1.1", "8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"],
)
def test_the_public_internet_is_admitted(text: str) -> None:
    assert judge(ipaddress.ip_address(text), "feed.example", 443, NOBODY) == (None, False)


def test_a_listed_network_admits_also_in_its_ipv6_clothes() -> None:
    allow = parse_allow(["127.0.0.0/8", "fd12::/16", "169.254.7.7"])
    for text in ("127.0.0.1", "::ffff:127.0.0.1", "fd12::9", "169.254.7.7"):
        assert judge(ipaddress.ip_address(text), "x.example", 80, allow) == (None, True)
    for text in ("10.0.0.1", "::1", "169.254.169.254"):
        assert judge(ipaddress.ip_address(text), "x.example", 80, allow).refusal


def test_a_listed_host_admits_private_addresses_and_never_the_cloud_s_own() -> None:
    allow = parse_allow(["Peer.example.", "other.example:8443"])
    assert judge(ipaddress.ip_address("10.1.2.3"), "peer.example", 443, allow) == (None, True)
    assert judge(ipaddress.ip_address("127.0.0.1"), "other.example", 8443, allow).refusal is None
    assert judge(ipaddress.ip_address("127.0.0.1"), "other.example", 443, allow).refusal == "a loopback address"
    assert judge(ipaddress.ip_address("169.254.169.254"), "peer.example", 443, allow).refusal == "a link-local address"
    assert judge(ipaddress.ip_address("fd00:ec2::254"), "peer.example", 443, allow).refusal


def test_no_list_admits_what_names_no_machine() -> None:
    allow = parse_allow(["0.0.0.0/0", "::/0"])
    assert judge(ipaddress.ip_address("10.0.0.1"), "x", 80, allow).refusal is None
    for text in ("0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "::ffff:0.0.0.0"):
        assert judge(ipaddress.ip_address(text), "x", 80, allow).refusal


@pytest.mark.parametrize("entry", ["", "10.0.0.1/8", "10.0.0", "300.1.1.1", "http://x/", "x:0", "x:70000", "a b", "*"])
def test_a_mistyped_entry_is_told(entry: str) -> None:
    with pytest.raises(WrongUse, match="allow-list"):
        parse_allow([entry])
