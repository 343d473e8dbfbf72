"""Where an arriving object goes, and who may see it."""

from typing import Any

import pytest

from sanjha.exchange.rules import (
    LAST_OF_OLD_SPEC,
    LATEST,
    NOT_THE_AUTHOR,
    OTHER_BYTES,
    SUPERSEDED,
    VALUE_KEY_BYTES,
    Arriving,
    Change,
    Duplicate,
    Known,
    Sender,
    SourceKind,
    Store,
    Variant,
    effective_tlp,
    may_block,
    may_see,
    place,
    value_key,
)
from sanjha.stix.markings import UNMARKED, Pap, Tlp

AUTHOR = "identity--11111111-1111-4111-8111-111111111111"


def arriving(**changes: Any) -> Arriving:
    return Arriving("x--1", 21, 10, b"a", Tlp.GREEN, AUTHOR, False)._replace(**changes)


def known(**changes: Any) -> Known:
    return Known(1, "x--1", 21, 10, 0, b"a", Tlp.GREEN, 7, AUTHOR, LATEST, SourceKind.TOKEN, False)._replace(**changes)


def sender(**changes: Any) -> Sender:
    return Sender(7, 3, SourceKind.TOKEN, Tlp.GREEN)._replace(**changes)


def test_the_first_of_an_id_is_stored() -> None:
    assert place(arriving(), [], sender()) == Store(0, LATEST, Tlp.GREEN, (), None)


def test_the_same_bytes_are_a_duplicate() -> None:
    assert place(arriving(), [known()], sender()) == Duplicate(1)


def test_other_bytes_under_the_same_version_are_a_variant_even_from_the_author() -> None:
    assert place(arriving(digest=b"b"), [known()], sender()) == Variant(1, OTHER_BYTES)


def test_a_new_version_takes_the_place_of_the_old_one() -> None:
    assert place(arriving(version=11, digest=b"b"), [known()], sender()) == Store(
        0, LATEST, Tlp.GREEN, (Change(1, SUPERSEDED, Tlp.GREEN),), None
    )


def test_a_stricter_new_version_binds_the_older_ones() -> None:
    decision = place(arriving(version=11, digest=b"b", tlp=Tlp.RED), [known()], sender())
    assert isinstance(decision, Store)
    assert decision.changes == (Change(1, SUPERSEDED, Tlp.RED),)


def test_an_older_version_that_comes_late_is_not_the_latest_and_no_more_open_than_the_newer() -> None:
    decision = place(arriving(version=9, digest=b"b", tlp=Tlp.CLEAR), [known(tlp=Tlp.AMBER, owner=7)], sender())
    assert decision == Store(0, SUPERSEDED, Tlp.AMBER, (), None)


@pytest.mark.parametrize(
    ("who", "first", "accepted"),
    [
        (sender(), known(), True),
        (sender(organisation=8), known(), False),
        (sender(organisation=8, kind=SourceKind.IMPORT), known(), True),
        (sender(organisation=8, kind=SourceKind.FEED), known(kind=SourceKind.TOKEN), False),
        (sender(organisation=8, kind=SourceKind.FEED), known(kind=SourceKind.FEED), True),
        (sender(organisation=8, kind=SourceKind.FEED), known(kind=SourceKind.IMPORT), True),
        (sender(organisation=7, kind=SourceKind.FEED), known(kind=SourceKind.TOKEN), False),
    ],
)
def test_only_who_may_speak_for_the_author_brings_a_new_version(who: Sender, first: Known, accepted: bool) -> None:
    decision = place(arriving(version=11, digest=b"b"), [first], who)
    assert isinstance(decision, Store) if accepted else decision == Variant(1, NOT_THE_AUTHOR)


def test_a_new_version_under_another_author_is_a_variant() -> None:
    decision = place(arriving(version=11, digest=b"b", created_by=None), [known()], sender())
    assert decision == Variant(1, NOT_THE_AUTHOR)


def test_an_id_whose_history_is_hidden_begins_a_strand_of_its_own() -> None:
    """What the poster sees is what they would see if nothing were here: no oracle."""
    hidden = known(tlp=Tlp.RED, owner=1)
    for digest in (b"a", b"b"):
        assert place(arriving(digest=digest), [hidden], sender()) == Store(1, LATEST, Tlp.GREEN, (), None)


def test_later_posts_stay_in_the_strand_that_their_poster_sees() -> None:
    hidden, own = known(tlp=Tlp.RED, owner=1), known(pk=2, strand=1)
    assert place(arriving(), [hidden, own], sender()) == Duplicate(2)
    decision = place(arriving(version=11, digest=b"c"), [hidden, own], sender())
    assert decision == Store(1, LATEST, Tlp.GREEN, (Change(2, SUPERSEDED, Tlp.GREEN),), None)


def test_received_bytes_take_the_place_of_a_derived_form() -> None:
    old = known(pk=1, spec=20, latest=LAST_OF_OLD_SPEC)
    derived = known(pk=2, digest=b"d", derived=True)
    decision = place(arriving(), [old, derived], sender())
    assert decision == Store(0, LATEST, Tlp.GREEN, (), 2)


def test_a_derived_form_never_takes_the_place_of_received_bytes() -> None:
    assert isinstance(place(arriving(digest=b"d", derived=True), [known()], sender()), Variant)


def test_an_old_specification_is_the_latest_only_of_its_own() -> None:
    decision = place(arriving(), [known(pk=1, spec=20)], sender())
    assert decision == Store(0, LATEST, Tlp.GREEN, (Change(1, LAST_OF_OLD_SPEC, Tlp.GREEN),), None)
    late = place(arriving(spec=20, digest=b"b"), [known()], sender())
    assert late == Store(0, LAST_OF_OLD_SPEC, Tlp.GREEN, (), None)


@pytest.mark.parametrize(
    ("stated", "raised", "waits", "default", "level"),
    [
        (UNMARKED, [], False, Tlp.GREEN, Tlp.GREEN),
        (Tlp.CLEAR, [], False, Tlp.GREEN, Tlp.CLEAR),
        (UNMARKED, [Tlp.CLEAR], False, Tlp.GREEN, Tlp.GREEN),  # somebody's own marking cannot lower
        (Tlp.CLEAR, [Tlp.RED], False, Tlp.GREEN, Tlp.RED),
        (Tlp.CLEAR, [], True, Tlp.GREEN, Tlp.AMBER_STRICT),
        (Tlp.RED, [], True, Tlp.GREEN, Tlp.RED),
    ],
)
def test_the_level_that_counts(stated: int, raised: list[int], waits: bool, default: int, level: int) -> None:
    assert effective_tlp(stated, raised, waits, default) == level


def test_one_sees_below_the_ceiling_and_always_ones_own() -> None:
    assert may_see(Tlp.GREEN, 1, Tlp.GREEN, 2)
    assert not may_see(Tlp.AMBER, 1, Tlp.GREEN, 2)
    assert may_see(Tlp.RED, 2, Tlp.GREEN, 2)


def test_only_green_clear_and_unmarked_reach_what_blocks() -> None:
    assert [may_block(level) for level in (UNMARKED, Pap.CLEAR, Pap.GREEN, Pap.AMBER, Pap.RED)] == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_a_long_value_is_indexed_by_its_digest_and_kept_whole() -> None:
    short, long = "example.org", "https://example.org/" + "ä" * VALUE_KEY_BYTES
    assert value_key(short) == (short, None)
    key, whole = value_key(long)
    assert whole == long
    assert len(key.encode()) <= VALUE_KEY_BYTES
    assert value_key(long + "x")[0] != key
    assert "\0" not in value_key("a\0b")[0]
