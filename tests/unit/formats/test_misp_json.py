import json

import pytest

from sanjha.errors import Malformed, TooLarge
from sanjha.formats import misp_json
from sanjha.formats.misp_json import documents

IDENT = "00000000-0000-4000-8000-000000000001"
EVENT = {"uuid": IDENT, "info": "x"}


@pytest.mark.parametrize(
    ("tree", "path"),
    [
        ({"Event": EVENT}, "$.Event"),
        ({"response": [{"Event": EVENT}]}, "$.response[0].Event"),
        ({"response": {"Event": EVENT}}, "$.response.Event"),
        ([EVENT], "$[0]"),
        (EVENT, "$"),
    ],
)
def test_every_shape_of_a_file_gives_its_event(tree: object, path: str) -> None:
    (found,) = documents(json.dumps(tree).encode())
    assert found == (path, EVENT)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"Event": {\n  "a": [1,\n  ]}}', "Line 2, column 10: a comma with nothing after it"),
        (b'{"Event":\n {"uuid": "x",}}', "Line 2, column 14: a comma with nothing after it"),
        (b'{"Event"', "Line 1, column 9"),
        (b'{"Event": "\xff"}', "Line 1, byte 12: not UTF-8"),
        (b"", "Line 1, column 1"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b'{"Event": NaN}', "NaN is no JSON value"),
        (b'{"Event": ' + b"9" * 5000 + b"}", "5000 digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"Event": []}', "a list where a MISP event must stand"),
        (b"3", "$ is a number"),
        (b"[]", "holds no MISP event"),
        (b'{"response": {"Attribute": []}}', "not attributes"),
        (json.dumps({IDENT: {"info": "x", "Orgc": {}}}).encode(), "manifest of a MISP feed"),
    ],
)
def test_a_broken_file_is_refused_with_the_place_and_what_to_do(body: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=r"\.$") as caught:
        documents(body)
    assert words in caught.value.public


def test_limits_hold_before_anything_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TooLarge):
        documents(b"[" + b" " * 100, max_bytes=100)
    monkeypatch.setattr(misp_json, "MAX_PARTS", 10)
    with pytest.raises(TooLarge):
        documents(b"[" + b"1," * 11)
    monkeypatch.setattr(misp_json, "MAX_EVENTS", 1)
    with pytest.raises(TooLarge):
        documents(json.dumps([EVENT, EVENT]).encode())
