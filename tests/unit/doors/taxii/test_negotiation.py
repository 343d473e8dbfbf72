"""Which answers a client takes, and which bodies we do."""

import pytest

from sanjha.doors.taxii.negotiation import LONGEST, acceptable, is_envelope

TAXII = "application/taxii+json;version=2.1"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "  ",
        TAXII,
        "application/taxii+json",  # versionless: the newest that we speak (1.6.8.2)
        "application/taxii+json; version=2.1",
        'application/taxii+json;version="2.1"',
        "APPLICATION/TAXII+JSON;VERSION=2.1",
        "application/taxii+json ; charset=utf-8 ; version=2.1",
        f"text/html, {TAXII}",
        f"application/taxii+json;version=2.0, {TAXII};q=0.1",
        "application/taxii+json;version=2.1, application/stix+json;version=2.1",
        "*/*",
        "text/html, application/xhtml+xml, */*;q=0.8",
        "application/*",
        "application/json",
        f"{TAXII};q=0.001",
        f"{TAXII};q=0, application/json",
        ",,,*/*,,",
    ],
)
def test_what_we_may_answer_to(header: str | None) -> None:
    assert acceptable(header)


@pytest.mark.parametrize(
    "header",
    [
        "text/html",
        "application/taxii+json;version=2.0",
        "application/taxii+json;version=3.0",
        "application/taxii+json;version=",
        "application/stix+json;version=2.1",
        "application/vnd.oasis.taxii+json;version=2.0",
        f"{TAXII};q=0",
        f"{TAXII};q=0.0",
        f"{TAXII};q=-1",
        f"{TAXII};q=x",
        f"{TAXII};q=0, */*;q=0",
        "nonsense",
        ";;;",
        "\x00",
        "application",
        "taxii+json;version=2.1",
        "text/*",
    ],
)
def test_what_we_may_not_answer_to(header: str) -> None:
    assert not acceptable(header)


def test_a_quality_that_is_no_number_of_the_grammar_rules_its_member_out() -> None:
    for quality in ("nan", "inf", "1e3", "2", "-0", "0x1", "١"):
        assert not acceptable(f"{TAXII};q={quality}"), quality
    for quality in ("1", "1.0", "1.000", "0.5", "0.001"):
        assert acceptable(f"{TAXII};q={quality}"), quality


def test_a_header_is_read_up_to_its_limit() -> None:
    assert acceptable(f"{TAXII}," + "a/b," * LONGEST)
    assert not acceptable("a/b," * LONGEST + TAXII)
    assert not acceptable("a;" * 1_000_000)


@pytest.mark.parametrize(
    "header",
    [
        TAXII,
        "application/taxii+json",
        "application/taxii+json; version=2.1",
        'Application/Taxii+JSON;Version="2.1"',
        "application/taxii+json; charset=utf-8; version=2.1",
    ],
)
def test_what_is_an_envelope(header: str) -> None:
    assert is_envelope(header)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "application/json",
        "application/stix+json;version=2.1",
        "application/taxii+json;version=2.0",
        "application/vnd.oasis.stix+json;version=2.0",
        f"{TAXII}, application/json",
        "text/plain; application/taxii+json",
        ";;,application/taxii+json",
        f"{TAXII},",
        "application/taxii+json;version",
        "*/*",
        "multipart/form-data; boundary=application/taxii+json",
    ],
)
def test_what_is_none(header: str | None) -> None:
    assert not is_envelope(header)
