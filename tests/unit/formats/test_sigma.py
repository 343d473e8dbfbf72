"""Sigma rules, read back by pySigma, which their users' converters stand on."""

import uuid

import pytest
from sigma.collection import SigmaCollection
from sigma.types import SigmaCIDRExpression, SigmaString

from sanjha.formats import FORMATS, Row
from sanjha.formats.sigma import MOST, SEARCHES, plain, scalar
from tests.unit.formats.samples import HOSTILE, ORDINARY, WORDS, rendered, row

SIGMA = FORMATS["sigma"]


def values(rows: list[Row], node: str = "node") -> tuple[list[str], list[str]]:
    """(ids of the rules, the texts they search for, before the modifiers)."""
    text, _ = rendered(SIGMA, rows, node)
    read = SigmaCollection.from_yaml(text)
    assert read.errors == []
    found = []
    for rule in read.rules:
        assert rule.errors == []
        for detection in rule.detection.detections.values():
            for item in detection.detection_items:
                found += [one.cidr if isinstance(one, SigmaCIDRExpression) else _exact(one) for one in item.value]
    return [str(rule.id) for rule in read.rules], found


def _exact(value: SigmaString) -> str:
    """The text, with ``*`` only where a modifier has put a wildcard at an end."""
    return "".join(part if isinstance(part, str) else "" for part in value.s)


@pytest.mark.parametrize("node", ["CERT Lahore", *WORDS[:-1]])
def test_hostile_rows_are_valid_rules(node: str) -> None:
    ids, _ = values(list(HOSTILE), node)
    assert len(ids) == len(set(ids)) == 6


def test_every_value_is_searched_for_literally() -> None:
    urls = ["http://evil.example/*?a=\\*b\\\\?", "http://evil.example/\"x':{}[]#&|>%@`", "http://evil.example/é🙂"]
    _, found = values([row("url", url) for url in urls])
    assert found == urls


def test_each_kind_has_its_log_and_field() -> None:
    ids, found = values(list(ORDINARY))
    assert len(ids) == len(SEARCHES)
    assert {"192.0.2.0/24", "login.evil.example", ".login.evil.example", "198.51.100.7"} <= set(found)
    assert "MD5=d41d8cd98f00b204e9800998ecf8427e" in found


def test_one_new_value_changes_one_document() -> None:
    domains = [row("domain", f"h{number:05}.evil.example") for number in range(3_000)]
    before = rendered(SIGMA, domains)[0].split("---\n")
    after = rendered(SIGMA, [*domains[:1_500], row("domain", "h01499x.evil.example"), *domains[1_500:]])[0].split(
        "---\n"
    )
    assert len(before) > 5
    assert len(set(after) - set(before)) <= 2
    assert all(len(one) < MOST * 100 for one in before)


def test_the_ids_are_stable_version_5() -> None:
    ids, _ = values(list(ORDINARY))
    assert ids == values(list(ORDINARY))[0]
    assert {uuid.UUID(one).version for one in ids} == {5}


def test_no_document_grows_past_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sanjha.formats.sigma.USUAL", 10**9)
    domains = [row("domain", f"h{number:05}.evil.example") for number in range(2 * MOST + 1)]
    assert rendered(SIGMA, domains)[0].count("---\n") == 3


def test_scalars_and_wildcards_are_escaped() -> None:
    assert scalar('a"b\\c\nd\u2028e\U000e0001') == '"a\\"b\\\\c\\x0Ad\\u2028e\\U000E0001"'
    assert scalar("\ud800") == '"?"'
    assert plain("*?\\") == "\\*\\?\\\\"
