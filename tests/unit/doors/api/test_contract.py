"""Requests are read by what an endpoint names, and by nothing else."""

from typing import Annotated

import msgspec
import pytest

from sanjha.doors.api.contract import MOST_PARAMETERS, lists_of, read_json, read_query
from sanjha.errors import Malformed


class Query(msgspec.Struct, forbid_unknown_fields=True):
    """A query."""

    type: Annotated[tuple[Annotated[str, msgspec.Meta(pattern=r"^[^\u0000]*$")], ...], msgspec.Meta(max_length=3)] = ()
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    begin: str = msgspec.field(default="now", name="from")


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """A body."""

    name: str
    count: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    inner: list["Body"] = []


LISTS = lists_of(Query)


def test_lists_are_what_may_be_given_several_times() -> None:
    assert {"type"} == LISTS


def test_a_query_is_read() -> None:
    assert read_query("type=a&type=b%20c&limit=3&from=x", Query, LISTS) == Query(("a", "b c"), 3, "x")
    assert read_query("", Query, LISTS) == Query()


@pytest.mark.parametrize(
    "text",
    [
        "tpye=a",  # what is misspelt would show too much
        "limit=1&limit=2",
        "limit=0",
        "limit=101",
        "limit=1_0",
        "limit=%201",
        "limit=null",
        "limit=" + "9" * 5_000,
        "limit=",
        "type=a%00b",
        "type=a&type=b&type=c&type=d",
        "from=%ff",
        "from=%ed%a0%80",
        "&".join(["type=a"] * (MOST_PARAMETERS + 1)),
    ],
)
def test_what_a_query_does_not_name_is_an_error(text: str) -> None:
    with pytest.raises(Malformed):
        read_query(text, Query, LISTS)


def test_a_body_is_read() -> None:
    assert read_json(b'{"name": "x", "count": 2}', Body) == Body("x", 2)
    assert read_json(rb'{"name": "C:\\u0000"}', Body) == Body("C:\\u0000")  # a backslash, and no NUL


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"name": "x", "nmae": 1}',
        b'{"name": "x", "name": "y"}',
        b'{"name": "x", "inner": [{"name": "x", "count": 1, "count": 1}]}',
        b'{"name": 1}',
        b'{"name": null}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xff"}',
        b'{"name": "\\u0000"}',
        b'{"name": "\\\\\\u0000"}',
        b'{"name": "x", "count": 1e999}',
        b'{"name": "x", "count": ' + b"9" * 5_000 + b"}",
        b'{"name": "x", "count": NaN}',
        b'{"name": "x", "inner": ' + b"[" * 100_000,
        b'{"name": "x", "inner": [' * 50_000,
        b'\xef\xbb\xbf{"name": "x"}',
        b'{"name": "x"}{"name": "x"}',
    ],
    ids=lambda body: repr(body[:30]),
)
def test_a_hostile_body_is_malformed_and_nothing_else(body: bytes) -> None:
    with pytest.raises(Malformed):
        read_json(body, Body)
