"""What a reader may ask, and what is answered with 400."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanjha.doors.taxii.queries import MOST_PARAMETERS, Query, position, read_query
from sanjha.errors import Malformed
from sanjha.exchange.cursors import Cursors
from sanjha.exchange.pages import MATCH_LIMIT, Versions
from sanjha.stix.timestamps import parse

PAGE = 100
CURSORS = Cursors(b"k" * 32)


def ask(text: str, fields: frozenset[str] | None = None) -> Query:
    return (read_query(text, PAGE) if fields is None else read_query(text, PAGE, fields))[0]


def test_nothing_asked_is_everything_in_its_last_version() -> None:
    query, token = read_query("", PAGE)
    assert (query.after, query.limit, query.stated, query.versions_given, token) == (-1, 0, False, False, None)
    assert query.wanted.versions == Versions()
    assert (query.wanted.ids, query.wanted.types, query.wanted.specs) == ((), (), ())


def test_all_of_it_at_once() -> None:
    query, token = read_query(
        "added_after=2026-01-01T00:00:00.000001Z&limit=5&match[id]=a--1,b--2&match%5Btype%5D=indicator"
        "&match[version]=first,last,2025-01-01T00:00:00Z&match[spec_version]=2.1,2.0&next=abc",
        PAGE,
    )
    assert query.after == parse("2026-01-01T00:00:00.000001Z")
    assert (query.limit, token) == (5, "abc")
    assert query.wanted.ids == ("a--1", "b--2")
    assert query.wanted.types == ("indicator",)
    assert query.wanted.versions == Versions(last=True, first=True, exact=(parse("2025-01-01T00:00:00Z"),))
    assert query.wanted.specs == (20, 21)


def test_a_plus_in_a_timestamp_and_other_parameters_are_not_ours() -> None:
    assert ask("x=1&y=2&match[nonsense]=a,b,,c&limit=3").limit == 3
    assert ask("match[id]=a--1", frozenset({"version"})).wanted.ids == ()
    assert ask("match[type]=,,,", frozenset({"version"})).wanted.types == ()


@pytest.mark.parametrize("text", ["limit=1", "limit=100", "limit=000042", "limit=999999999999999999999"])
def test_limits_that_are_taken(text: str) -> None:
    assert 1 <= ask(text).limit <= PAGE


@pytest.mark.parametrize(
    "text",
    [
        "limit=0", "limit=-1", "limit=+1", "limit=1.0", "limit=1e2", "limit=", "limit", "limit=a", "limit= 1", "limit=1%20",
        "limit=%D9%A1", "limit=0x10", "limit=1_000", "limit=00", "limit=1,2", "limit=1&limit=1", "limit=%00",
        "added_after=", "added_after=now", "added_after=2026-01-01", "added_after=2026-01-01T00:00:00",
        "added_after=2026-01-01T00:00:00+01:00", "added_after=2026-13-01T00:00:00Z", "added_after=2026-02-30T00:00:00Z",
        "added_after=1735689600", "added_after=2026-01-01T00:00:00Z&added_after=2026-01-01T00:00:00Z",
        "added_after=2026-01-01T00:00:00Z%00", "added_after=99999-01-01T00:00:00Z",
        "next=a&next=b", "match[id]=a&match[id]=b", "match[type]=a&match%5Btype%5D=b",
        "match[id]=", "match[id]=a,,b", "match[id]=,a", "match[id]=a,", "match[id]=a, b", "match[id]=%20a", "match[id]=a%00b",
        "match[type]=", "match[version]=", "match[version]=all,last", "match[version]=last,last", "match[version]=newest",
        "match[version]=LAST", "match[version]=2026-01-01", "match[version]=first,,last", "match[spec_version]=",
        "match[id]=%ff", "x=%ff%fe", "%ff=1", "match[id]=%ed%a0%80",
    ],
)  # fmt: skip
def test_what_is_answered_with_400(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        ask(text)
    assert caught.value.public


def test_lists_and_parameters_have_a_bound() -> None:
    assert len(ask("match[id]=" + ",".join(f"a--{n}" for n in range(MATCH_LIMIT))).wanted.ids) == MATCH_LIMIT
    with pytest.raises(Malformed, match=str(MATCH_LIMIT)):
        ask("match[id]=" + ",".join(f"a--{n}" for n in range(MATCH_LIMIT + 1)))
    assert ask("&".join(f"x{n}=1" for n in range(MOST_PARAMETERS))).limit == 0
    with pytest.raises(Malformed):
        ask("&".join(f"x{n}=1" for n in range(MOST_PARAMETERS + 1)))
    with pytest.raises(Malformed):
        ask("&" * 1_000_000)


def test_a_specification_that_we_do_not_know_matches_nothing() -> None:
    assert ask("match[spec_version]=3.0").wanted.specs == (0,)
    assert ask("match[spec_version]=2.1,2.1").wanted.specs in ((21,), (21, 21))


def test_the_order_of_alternatives_is_no_other_question() -> None:
    one, two = ask("match[type]=a,b&match[id]=x--1"), ask("match[id]=x--1&match[type]=a,b")
    assert one.identity("objects", "c") == two.identity("objects", "c")
    assert one.identity("objects", "c") != one.identity("manifest", "c")
    assert one.identity("objects", "c") != one.identity("objects", "d")
    assert one.identity("objects", "c") != ask("match[type]=a").identity("objects", "c")


def token_of(text: str, after: int, limit: int, *where: str) -> str:
    return CURSORS.encode(ask(text).identity(*where), (after, limit))


def test_where_a_page_begins() -> None:
    query = ask("added_after=2026-01-01T00:00:00Z")
    stated = parse("2026-01-01T00:00:00Z")
    assert position(query, CURSORS, None, PAGE, "objects", "c") == (stated, PAGE)
    later = token_of("", stated + 5, 7, "objects", "c")
    assert position(query, CURSORS, later, PAGE, "objects", "c") == (stated + 5, 7)
    earlier = token_of("", stated - 5, 7, "objects", "c")  # never before what was asked
    assert position(query, CURSORS, earlier, PAGE, "objects", "c") == (stated, 7)


def test_a_limit_given_again_counts_and_the_cap_always() -> None:
    token = token_of("", 5, 7, "o")
    assert position(ask("limit=3"), CURSORS, token, PAGE, "o") == (5, 3)
    assert position(ask(""), CURSORS, token_of("", 5, 10_000, "o"), PAGE, "o") == (5, PAGE)


def test_a_token_serves_its_own_query_only() -> None:
    token = token_of("match[type]=indicator", 5, 7, "objects", "c")
    position(ask("match[type]=indicator&limit=1"), CURSORS, token, PAGE, "objects", "c")
    for text, where in (
        ("", ("objects", "c")),
        ("match[type]=malware", ("objects", "c")),
        ("match[type]=indicator", ("manifest", "c")),
        ("match[type]=indicator", ("objects", "d")),
        ("match[type]=indicator&match[version]=all", ("objects", "c")),
    ):
        with pytest.raises(Malformed):
            position(ask(text), CURSORS, token, PAGE, *where)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "=",
        "====",
        "A" * 5_000,
        "a b",
        "\x00",
        "é",
        "../..",
        "-1",
        "' OR 1=1 --",
        "eyJhIjogMX0",
        "\ud800",
        "A" * 24,
    ],
)
def test_a_token_that_was_never_given_is_refused(token: str) -> None:
    with pytest.raises(Malformed):
        position(ask(""), CURSORS, token, PAGE, "objects", "c")


def test_another_nodes_token_is_refused() -> None:
    query = ask("")
    token = Cursors(b"j" * 32).encode(query.identity("o"), (5, 7))
    with pytest.raises(Malformed):
        position(query, CURSORS, token, PAGE, "o")


@given(st.integers(0, 2**53), st.integers(1, 10_000), st.data())
def test_no_changed_token_is_taken(after: int, limit: int, data: st.DataObject) -> None:
    query = ask("")
    token = CURSORS.encode(query.identity("o"), (after, limit))
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(
        st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=. ").filter(
            lambda c: c != token[place]
        )
    )
    changed = token[:place] + other + token[place + 1 :]
    try:
        found = position(query, CURSORS, changed, 10_000, "o")
    except Malformed:
        return
    assert found == (after, limit)  # the bits that base64 pads with say nothing


@given(st.text(max_size=200))
def test_any_text_is_a_query_or_malformed(text: str) -> None:
    for form in (text, quote(text), f"match[id]={text}", f"added_after={quote(text)}", f"match[version]={quote(text)}"):
        try:
            query, _ = read_query(form, PAGE)
        except Malformed:
            continue
        assert 0 <= query.limit <= PAGE
        assert all(query.wanted.ids)
