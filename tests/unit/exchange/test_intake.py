"""Taking in: what a batch leaves behind, in which order, and what it tells whom."""

from typing import Any

import pytest

from sanjha.access.policy import Actor
from sanjha.errors import Malformed, NotFound
from sanjha.exchange import intake
from sanjha.exchange.collections import Collection
from sanjha.exchange.pages import Filter, Versions
from sanjha.exchange.rules import SourceKind
from sanjha.stix.markings import Tlp
from tests.store import EVERY, SECOND, Store, address, encode, indicator, marking, old_indicator, ref, stamp

FIRST = Filter(versions=Versions(last=False, first=True))
MARKING = ref("marking-definition", 1)


def people(store: Store, **levels: Tlp) -> tuple[Collection, list[Actor]]:
    """A shelf, and somebody for each name and ceiling."""
    shelf = store.collection()
    return shelf, [store.actor(name, {shelf.pk: level}) for name, level in levels.items()]


def results(outcomes: list[intake.Outcome]) -> list[str]:
    return [f"{outcome.result} {outcome.reason}".strip() for outcome in outcomes]


# -- dates -------------------------------------------------------------------------------------------------------------


def test_dates_are_unique_and_rise_also_when_the_clock_stands_or_is_put_back(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    for start, step in ((0, 0), (10, 0), (20, -60 * SECOND), (30, 120 * SECOND)):
        store.tick(step)
        store.bring(a, shelf, *[indicator(start + n) for n in range(10)])
    dates = [entry.date_added for entry in store.page(a, shelf)]
    assert [entry.id for entry in store.page(a, shelf)] == [ref("indicator", n) for n in range(40)]
    assert dates == sorted(set(dates))
    assert dates[30] == store.time  # and follows the clock again when it can


def test_what_is_known_already_moves_nothing(store: Store) -> None:
    shelf, [a, b] = people(store, a=Tlp.GREEN, b=Tlp.GREEN)
    store.bring(a, shelf, indicator(1))
    before = store.rows("SELECT last_added FROM collection")
    store.tick()
    assert results(store.bring(a, shelf, indicator(1), indicator(1))) == ["duplicate"] * 2
    assert results(store.bring(b, shelf, indicator(1))) == ["duplicate"]
    assert results(store.bring(b, shelf, indicator(1, description="mine"))) == ["variant other-bytes"]
    assert store.rows("SELECT last_added FROM collection") == before
    names = store.rows("SELECT s.name FROM arrival r JOIN source s ON s.pk = r.source ORDER BY s.name")
    assert ("b",) in names  # every source is kept


def test_a_batch_is_kept_whole_or_not_at_all(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    sender = store.exchange.sender(a, shelf.pk, SourceKind.TOKEN, "a")

    def fail(*_: Any) -> None:
        raise Malformed("no")

    from tests.store import reading

    with pytest.raises(Malformed):
        intake.take_in(store.database, shelf.pk, [reading(indicator(1))], sender, store.time, also=fail)
    assert store.rows("SELECT count(*) FROM object") == [(0,)]
    assert store.rows("SELECT last_added FROM collection") == [(0,)]


def test_a_collection_that_is_gone_takes_nothing(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    gone = Collection(shelf.pk + 1, shelf.id, "gone", Tlp.GREEN)
    with pytest.raises(NotFound, match="removed"):
        intake.take_in(
            store.database, gone.pk, [], store.exchange.sender(a, shelf.pk, SourceKind.TOKEN, "a"), store.time
        )


# -- versions and specifications ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("first", ["old", "new"])
def test_received_21_takes_the_place_of_what_was_derived_from_20(store: Store, together: bool, first: str) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    objects = [old_indicator(1), indicator(1)] if first == "old" else [indicator(1), old_indicator(1)]
    for batch in [objects] if together else [[each] for each in objects]:
        assert set(results(store.bring(a, shelf, *batch))) == {"stored"}
    assert store.raws(a, shelf) == [indicator(1)]
    assert store.raws(a, shelf, Filter(specs=(20,))) == [old_indicator(1)]
    assert len(store.page(a, shelf, EVERY)) == 2


def test_what_21_cannot_say_is_kept_as_it_came(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)

    def refuse(_: bytes) -> None:
        raise Malformed("STIX 2.1 cannot say this")

    monkeypatch.setattr("sanjha.stix.upgrade.to_21", refuse)
    assert results(store.bring(a, shelf, old_indicator(1), indicator(2))) == ["stored", "stored"]
    assert store.raws(a, shelf) == [old_indicator(1), indicator(2)]


def test_a_derived_form_belongs_to_who_brought_the_original(store: Store) -> None:
    """Even when only the derived form is left, nobody else's bytes take its place."""
    shelf, [a, b] = people(store, a=Tlp.GREEN, b=Tlp.GREEN)
    store.bring(a, shelf, old_indicator(1))
    store.exchange.delete(a, shelf, ref("indicator", 1), None, (20,))
    assert results(store.bring(b, shelf, indicator(1, name="taken over"))) == ["variant not-the-author"]
    assert results(store.bring(a, shelf, indicator(1, name="mine"))) == ["stored"]


def test_versions_may_come_in_any_order(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    for version in (3, 1, 4, 2):
        assert results(store.bring(a, shelf, indicator(1, version))) == ["stored"]
    assert store.raws(a, shelf) == [indicator(1, 4)]
    assert store.raws(a, shelf, FIRST) == [indicator(1, 1)]
    assert len(store.page(a, shelf, EVERY)) == 4


def test_times_that_differ_past_the_microsecond_are_one_version(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    one, two = (indicator(1, modified=f"2025-02-01T00:00:00.123456{tail}Z") for tail in ("1", "2"))
    assert results(store.bring(a, shelf, one, two, one)) == ["stored", "variant other-bytes", "duplicate"]
    assert store.raws(a, shelf) == [one]
    assert [bytes(raw) for (raw,) in store.rows("SELECT raw FROM variant")] == [two]


def test_an_object_without_a_version_has_its_date(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    [outcome] = store.bring(a, shelf, address(1))
    [entry] = store.page(a, shelf)
    assert outcome.version == entry.version == entry.date_added
    assert results(store.bring(a, shelf, address(1, defanged=True))) == ["variant other-bytes"]


def test_ids_that_differ_in_case_are_different_objects(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    upper = ref("indicator", 1)[:11] + ref("indicator", 1)[11:].upper()
    store.bring(a, shelf, indicator(1), indicator(1, id=upper))
    assert len(store.page(a, shelf)) == 2
    assert store.raws(a, shelf, Filter(ids=(upper,))) == [indicator(1, id=upper)]
    store.exchange.delete(a, shelf, upper, None, ())
    assert store.raws(a, shelf) == [indicator(1)]


# -- nobody learns what they may not see -------------------------------------------------------------------------------


def test_an_answer_does_not_tell_of_a_version_that_is_hidden(store: Store) -> None:
    """The author opened a later version: the strict one before it must not show in what a post of it answers."""
    shelf, [a, b] = people(store, a=Tlp.AMBER, b=Tlp.GREEN)
    store.bring(a, shelf, indicator(1, 1, tlp=Tlp.AMBER))
    store.bring(a, shelf, indicator(1, 2))
    for guess in (indicator(1, 1, tlp=Tlp.AMBER), indicator(1, 1), indicator(1, 0)):
        assert results(store.bring(b, shelf, guess)) == ["variant not-the-author"]


def test_the_first_version_is_the_first_that_one_may_see(store: Store) -> None:
    shelf, [a, b] = people(store, a=Tlp.AMBER, b=Tlp.GREEN)
    store.bring(a, shelf, indicator(1, 1, tlp=Tlp.AMBER))
    store.bring(a, shelf, indicator(1, 2))
    assert store.raws(b, shelf, FIRST) == [indicator(1, 2)]
    assert store.raws(a, shelf, FIRST) == [indicator(1, 1, tlp=Tlp.AMBER)]


def test_the_newest_specification_is_the_newest_that_one_may_see(store: Store) -> None:
    shelf, [a, b] = people(store, a=Tlp.RED, b=Tlp.GREEN)
    store.bring(a, shelf, indicator(1, 5, tlp=Tlp.RED))
    store.bring(b, shelf, old_indicator(1, 1))
    store.exchange.delete(b, shelf, ref("indicator", 1), None, (21,))
    for wanted in (Filter(), FIRST, Filter(versions=Versions(last=False, every=True))):
        assert store.raws(b, shelf, wanted) == [old_indicator(1, 1)]


def test_a_hidden_history_and_ones_own_live_side_by_side(store: Store) -> None:
    shelf, [a, b, c] = people(store, a=Tlp.AMBER, b=Tlp.GREEN, c=Tlp.GREEN)
    store.bring(a, shelf, indicator(1, 1, tlp=Tlp.AMBER))
    assert results(store.bring(b, shelf, indicator(1, 1, name="b's"), indicator(1, 2))) == ["stored", "stored"]
    assert results(store.bring(c, shelf, indicator(1, 2))) == ["duplicate"]
    assert store.raws(b, shelf) == store.raws(c, shelf) == [indicator(1, 2)]
    assert store.raws(a, shelf) == [indicator(1, 1, tlp=Tlp.AMBER)]


# -- markings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["TLP:GREEN", "TLP:CLEAR", "for friends"])
def test_a_later_definition_never_lowers_a_marking(store: Store, words: str) -> None:
    shelf, [a, b] = people(store, a=Tlp.AMBER, b=Tlp.GREEN)
    store.bring(a, shelf, marking(1, "TLP:RED", tlp=Tlp.RED))
    store.bring(b, shelf, marking(1, words))  # b does not see a's, and begins a history of its own
    store.bring(a, shelf, marking(1, words, 1))
    store.bring(a, shelf, indicator(1, refs=[MARKING]))
    assert [entry.id for entry in store.page(b, shelf)] == [MARKING]


def test_what_a_sender_says_of_a_marking_binds_what_comes_with_it(store: Store) -> None:
    """Somebody else defined the id first, and more openly."""
    shelf, [a, b] = people(store, a=Tlp.GREEN, b=Tlp.GREEN)
    store.bring(b, shelf, marking(1, "for friends"))
    got = store.bring(a, shelf, indicator(1, refs=[MARKING]), marking(1, "TLP:RED"))
    assert results(got) == ["stored", "variant other-bytes"]
    assert [entry.id for entry in store.page(b, shelf)] == [MARKING]
    store.bring(b, shelf, indicator(2, refs=[MARKING]))
    assert ref("indicator", 2) in [entry.id for entry in store.page(a, shelf)]  # b's own word stands for b's


def test_an_object_waits_for_the_definition_of_its_marking(store: Store) -> None:
    shelf, [a, b] = people(store, a=Tlp.GREEN, b=Tlp.GREEN)
    store.bring(a, shelf, indicator(1, refs=[MARKING, ref("marking-definition", 2)]), indicator(2))
    assert [entry.id for entry in store.page(b, shelf)] == [ref("indicator", 2)]
    last = store.page(b, shelf)[-1].date_added
    store.bring(a, shelf, marking(1, "TLP:GREEN"))
    assert ref("indicator", 1) not in [entry.id for entry in store.page(b, shelf)]
    store.bring(a, shelf, marking(2, "PAP:RED"))
    assert ref("indicator", 1) in [entry.id for entry in store.page(b, shelf, after=last)]  # with a date to be found by
    assert store.rows("SELECT pap FROM object WHERE type = 'indicator' ORDER BY pap") == [(-1,), (3,)]


def test_somebody_elses_definition_opens_nothing(store: Store) -> None:
    """Who knows the id of a marking could define it before its author does, as harmless as they like."""
    shelf, [a, b] = people(store, a=Tlp.GREEN, b=Tlp.GREEN)
    store.bring(a, shelf, indicator(1, refs=[MARKING]))
    store.bring(b, shelf, marking(1, "for everybody"))
    assert [entry.id for entry in store.page(b, shelf)] == [MARKING]
    store.bring(a, shelf, indicator(2, refs=[MARKING]))
    assert [entry.id for entry in store.page(b, shelf)] == [MARKING]
    assert results(store.bring(a, shelf, marking(1, "for everybody"))) == ["duplicate"]  # a's word too, from here on
    assert len(store.page(b, shelf)) == 3


def test_somebody_elses_definition_hides_nothing(store: Store) -> None:
    shelf, [a, b, c] = people(store, a=Tlp.GREEN, b=Tlp.GREEN, c=Tlp.GREEN)
    store.bring(b, shelf, marking(1, "TLP:RED"))
    assert results(store.bring(a, shelf, marking(1, "for friends"))) == ["variant other-bytes"]
    store.bring(a, shelf, indicator(1, refs=[MARKING]))
    store.bring(b, shelf, indicator(2, refs=[MARKING]), marking(1, "TLP:RED", 1))
    assert [entry.id for entry in store.page(c, shelf)].count(ref("indicator", 1)) == 1
    assert ref("indicator", 2) not in [entry.id for entry in store.page(c, shelf)]


def test_the_nodes_own_definition_counts_for_all(store: Store) -> None:
    shelf, [a, b] = people(store, a=Tlp.GREEN, b=Tlp.GREEN)
    store.bring(a, shelf, indicator(1, refs=[MARKING]))
    store.bring(store.owner(), shelf, marking(1, "TLP:GREEN"), kind=SourceKind.FEED)
    store.bring(b, shelf, indicator(2, refs=[MARKING]))
    assert len(store.page(a, shelf)) == len(store.page(b, shelf)) == 3


def test_a_definition_opens_no_older_version_beyond_a_newer_one(store: Store) -> None:
    shelf, [a, b] = people(store, a=Tlp.GREEN, b=Tlp.GREEN)
    store.bring(a, shelf, indicator(1, 1, refs=[MARKING]))
    store.bring(a, shelf, indicator(1, 2, tlp=Tlp.RED))
    store.bring(a, shelf, marking(1, "TLP:GREEN"))
    assert [entry.id for entry in store.page(b, shelf, EVERY)] == [MARKING]


def test_a_definition_that_makes_a_version_stricter_binds_the_older_ones(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    owner = store.owner()
    store.bring(a, shelf, indicator(1, 1), indicator(1, 2, refs=[MARKING]))
    store.bring(a, shelf, marking(1, "TLP:RED"))
    assert store.rows("SELECT tlp FROM object WHERE type = 'indicator'") == [(4,), (4,)]
    assert len(store.page(owner, shelf, EVERY)) == 3


def test_a_definition_in_another_collection_opens_nothing_here(store: Store) -> None:
    shelf, other = store.collection("One"), store.collection("Two")
    a = store.actor("a", {shelf.pk: Tlp.GREEN, other.pk: Tlp.GREEN})
    b = store.actor("b", {shelf.pk: Tlp.GREEN})
    store.bring(a, shelf, indicator(1, refs=[MARKING]))
    store.bring(a, other, marking(1, "TLP:GREEN"))
    assert store.page(b, shelf) == []


def test_an_old_version_that_comes_late_is_no_more_open_in_another_specification_either(store: Store) -> None:
    shelf, [a, b] = people(store, a=Tlp.GREEN, b=Tlp.GREEN)
    store.bring(a, shelf, indicator(1, 2, tlp=Tlp.RED))
    store.bring(a, shelf, old_indicator(1, 1))
    assert store.page(b, shelf, EVERY) == []


def test_a_custom_object_of_20_is_read_again_as_it_was_read_first(store: Store) -> None:
    """Its bundle said 2.0, and it does not."""
    shelf, [a] = people(store, a=Tlp.GREEN)
    custom = {"type": "x-thing", "id": ref("x-thing", 1), "confidence": "high", "object_marking_refs": [MARKING]}
    report = store.exchange.add(a, shelf, [encode(custom)], bundle_spec="2.0")
    assert (report.stored, report.refused) == (1, 0)
    store.bring(a, shelf, marking(1, "TLP:GREEN"))
    assert store.rows("SELECT tlp, spec FROM object WHERE type = 'x-thing' AND spec = 20") == [(Tlp.GREEN, 20)]
    store.exchange.delete(a, shelf, ref("x-thing", 1), None, ())
    assert store.rows("SELECT count(*) FROM unresolved") == [(0,)]


# -- hostile sizes -----------------------------------------------------------------------------------------------------


def test_one_object_five_thousand_times(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    report = store.post(a, shelf, *[indicator(1)] * 5_000)
    assert (report.stored, report.duplicates, report.total) == (1, 4_999, 5_000)


def test_thousands_of_bad_objects_of_a_token_are_counted_and_the_good_ones_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Explaining what is wrong with an object takes ten times as long as seeing that something is."""
    monkeypatch.setattr("sanjha.exchange.reception.LISTED", 10)
    shelf, [a] = people(store, a=Tlp.GREEN)
    bad = encode({"type": "indicator", "id": "x"})
    report = store.post(a, shelf, *[bad] * 500, indicator(1), *[bad] * 500)
    assert (report.stored, report.refused, len(report.problems)) == (1, 1_000, 10)
    assert report.problems[0].rule != "stix-2.0/shape"


def test_ten_thousand_markings_of_one_object(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    store.bring(a, shelf, indicator(1, refs=[ref("marking-definition", n) for n in range(10_000)]))
    for start in (0, 5_000):
        store.post(a, shelf, *[marking(n, "TLP:GREEN") for n in range(start, start + 5_000)])
    assert store.rows("SELECT tlp FROM object WHERE type = 'indicator'") == [(Tlp.GREEN,)]
    assert store.rows("SELECT count(*) FROM unresolved") == [(0,)]


def test_an_object_that_speaks_of_twenty_thousand(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    report = {
        "type": "report", "spec_version": "2.1", "id": ref("report", 1), "created": stamp(0), "modified": stamp(1),
        "name": "all", "published": stamp(0), "object_refs": [ref("indicator", n) for n in range(10_000)] * 2,
    }  # fmt: skip
    assert store.post(a, shelf, encode(report)).stored == 1
    assert store.rows("SELECT count(*) FROM about") == [(10_000,)]
    store.exchange.delete(a, shelf, ref("report", 1), None, ())
    assert store.rows("SELECT count(*) FROM about") == [(0,)]


def test_five_thousand_ids_in_one_filter(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    store.post(a, shelf, *[indicator(n) for n in range(50)])
    wanted = Filter(ids=tuple(ref("indicator", n) for n in range(5_000)))
    assert len(store.page(a, shelf, wanted)) == 50


HOSTILE = "a\0b\u202e\U0001f4a9\ufffe'\"\\;--\r\n\x7f"


def test_hostile_text_is_kept_byte_for_byte_and_read_without_harm(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    raws = [
        indicator(1, name=HOSTILE, description=HOSTILE, labels=[HOSTILE]),
        indicator(2, name="x" * 500_000),
        indicator(3, pattern="[url:value = 'http://example.org/" + "y" * 7_000 + "']"),
        indicator(4, pattern="[file:name = 'a\0b' OR file:name = 'ok.exe']"),
        indicator(5, confidence=100, lang="x" * 200, x_custom={"deep": [[[[1]]]]}),
        encode(
            {"type": "url", "spec_version": "2.1", "id": ref("url", 1), "value": "http://a.example/" + "b" * 900_000}
        ),
        encode({"type": "file", "spec_version": "2.1", "id": ref("file", 1), "name": "nul\0.exe"}),
    ]
    report = store.post(a, shelf, *raws)
    assert report.refused == 0, report.problems
    assert store.raws(a, shelf) == raws
    store.exchange.delete(a, shelf, ref("indicator", 3), None, ())
    answers = store.exchange.look_up(a, ["http://example.org/" + "y" * 7_000, HOSTILE, "\udcff", "\udcff.example"])
    assert [answer.matches for answer in answers] == [[]] * 4
    assert answers[2].problem == answers[3].problem == "broken UTF-8"


def test_an_object_at_the_size_limit(store: Store) -> None:
    from sanjha.stix.reading import MAX_OBJECT

    shelf, [a] = people(store, a=Tlp.GREEN)
    room = MAX_OBJECT - len(indicator(1, description=""))
    fits, over = indicator(1, description="d" * room), indicator(2, description="d" * (room + 1))
    report = store.post(a, shelf, fits, over)
    assert (report.stored, report.refused) == (1, 1)
    assert store.raws(a, shelf) == [fits]


def test_lone_surrogates_and_numbers_out_of_range_are_refused_one_by_one(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    bad = [
        indicator(1).replace(b"indicator 1", b"\\ud800"),
        indicator(2, confidence=10**30),
        indicator(3, confidence=101),
        indicator(4, modified="9999-12-31T23:59:60.1Z\0"),
        indicator(5)[:-1],
        b"\xff\xfe",
        b"",
    ]
    report = store.post(a, shelf, *bad, indicator(6))
    assert (report.stored, report.refused) == (1, len(bad))
    assert store.raws(a, shelf) == [indicator(6)]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999Z"])
def test_the_ends_of_time(store: Store, moment: str) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    raw = indicator(1, created=moment, modified=moment, valid_from=moment)
    assert store.post(a, shelf, raw).stored == 1
    assert store.raws(a, shelf) == [raw]
