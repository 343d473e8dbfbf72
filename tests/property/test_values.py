"""Whatever comes, a value or ``Malformed``; and a canonical text is its own canonical text."""

from hypothesis import given
from hypothesis import strategies as st

from sanjha.errors import Malformed
from sanjha.stix.values import KINDS, Value, canonical, networks, recognise, refang

_pieces = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *"http:// hxxp [.] . example com 192.0.2.1 2001:db8:: : / @ /24 % [ ] xn-- AS T1 :443 \\".split(),
                *["\u00df", "\u2764", "\u3002", "\u0301", "\u200d", "aa:bb:cc:dd:ee:ff", "0" * 32, " "],
            ]
        ),
        st.text(max_size=4),
    ),
    max_size=6,
).map("".join)


@given(st.sampled_from([*KINDS, "vhash", ""]), _pieces | st.text(max_size=300))
def test_canonical_is_stable(kind: str, text: str) -> None:
    try:
        value = canonical(kind, text)
    except Malformed:
        return
    assert canonical(*value) == value


@given(_pieces | st.text(max_size=300))
def test_recognise_never_raises_and_gives_canonical_values(text: str) -> None:
    value = recognise(text)
    if value is not None:
        assert value.kind in KINDS
        assert canonical(*value) == value


@given(_pieces)
def test_refang_is_stable_on_plain_urls(text: str) -> None:
    plain = refang(text)
    if not set("[]{}()\\*") & set(text):
        assert refang(plain) == plain


@given(st.ip_addresses(), st.integers(0, 128))
def test_an_address_lies_in_its_networks(address: object, length: int) -> None:
    text = str(address)
    value = canonical("ipv6" if ":" in text else "ipv4", text)
    for network in networks(value, [length]):
        expected = canonical("cidr", f"{value.text}/{length}")
        assert expected == Value("cidr", network)
