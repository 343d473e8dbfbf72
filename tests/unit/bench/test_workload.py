import itertools
from datetime import UTC, date, datetime

import orjson
import pytest
from stix2patterns.validator import run_validator

from bench.workload import LATEST_DAYS, Recipe, bad_objects, objects, recent_epoch
from sanjha.stix import timestamps

COUNT = 3_000


@pytest.fixture(scope="module")
def made() -> list[bytes]:
    return list(objects(Recipe(versions=0.1), COUNT))


@pytest.fixture(scope="module")
def read(made: list[bytes]) -> list[dict]:
    return [orjson.loads(text) for text in made]


def test_the_same_recipe_gives_the_same_bytes(made: list[bytes]) -> None:
    assert list(objects(Recipe(versions=0.1), COUNT)) == made


def test_a_smaller_count_is_a_prefix(made: list[bytes]) -> None:
    assert list(objects(Recipe(versions=0.1), 700)) == made[:700]


@pytest.mark.parametrize("other", [Recipe(seed=2, versions=0.1), Recipe(epoch="2025-01-01", versions=0.1), Recipe()])
def test_another_recipe_gives_other_bytes_and_another_name(made: list[bytes], other: Recipe) -> None:
    assert list(objects(other, COUNT)) != made
    assert other.digest() != Recipe(versions=0.1).digest()


def test_every_object_is_compact_ascii_json_on_one_line(made: list[bytes], read: list[dict]) -> None:
    assert [orjson.dumps(item) for item in read] == made
    assert all(text.isascii() and b"\n" not in text for text in made)


def test_kinds_come_in_their_shares(read: list[dict]) -> None:
    shares = {kind: sum(item["type"] == kind for item in read) / COUNT for kind in {item["type"] for item in read}}
    assert shares["indicator"] == pytest.approx(0.70, abs=0.07)
    assert shares["relationship"] == pytest.approx(0.15, abs=0.04)
    assert set(shares) == {"indicator", "relationship", "sighting", "malware", "identity"}


def test_references_point_backwards(read: list[dict]) -> None:
    known: set[str] = set()
    for item in read:
        known.add(item["id"])
        for name in ("created_by_ref", "source_ref", "target_ref", "sighting_of_ref"):
            assert item.get(name, item["id"]) in known


def test_versions_rise_keep_their_author_and_end_with_a_revocation(read: list[dict]) -> None:
    last: dict[str, dict] = {}
    later = revoked = 0
    for item in read:
        before = last.get(item["id"])
        if before is not None:
            later += 1
            assert timestamps.parse(item["modified"]) > timestamps.parse(before["modified"])
            assert item["created"] == before["created"]
            assert item.get("created_by_ref") == before.get("created_by_ref")
            assert not before.get("revoked")
        revoked += bool(item.get("revoked"))
        last[item["id"]] = item
    assert 0.07 < later / COUNT < 0.13
    assert 0.1 < revoked / later < 0.35


def test_no_versions_when_none_are_wanted() -> None:
    ids = [orjson.loads(text)["id"] for text in objects(Recipe(versions=0.0), 500)]
    assert len(set(ids)) == len(ids)


def test_all_times_lie_in_the_window(read: list[dict]) -> None:
    begin = timestamps.parse("2026-01-01T00:00:00Z")
    end = begin + LATEST_DAYS * 86_400_000_000
    for item in read:
        for name in ("created", "modified", "valid_from", "first_seen", "last_seen", "start_time"):
            if name in item:
                assert begin <= timestamps.parse(item[name]) < end
        assert item["created"] <= item["modified"]


def test_patterns_are_patterns_to_the_oasis_grammar_and_a_share_is_compound(read: list[dict]) -> None:
    patterns = [item["pattern"] for item in read if item["type"] == "indicator"]
    assert all(run_validator(pattern, stix_version="2.1") == [] for pattern in patterns[:300])
    words = (" OR ", " AND ", " FOLLOWEDBY ", " IN (", " ISSUBSET ", " REPEATS ", " START ")
    share = sum(any(word in pattern for word in words) for pattern in patterns) / len(patterns)
    assert share == pytest.approx(Recipe.compound, abs=0.05)
    assert all(any(word in pattern for pattern in patterns) for word in words)


def test_bad_objects_are_json_and_each_breaks_another_rule() -> None:
    bad = list(itertools.islice(bad_objects(Recipe()), 12))
    assert bad == list(itertools.islice(bad_objects(Recipe()), 12))
    faults = []
    for name, text in bad[:6]:
        item = orjson.loads(text)
        assert item["id"] == name
        faults.append(
            (
                run_validator(item.get("pattern", ""), stix_version="2.1") != [],
                "valid_from" not in item,
                "pattern_type" not in item,
                item.get("confidence", 0) > 100,
                not item["created"].startswith("20"),
                not item["id"].startswith(item["type"]),
            )
        )
    assert all(sum(fault) == 1 for fault in faults)
    assert len(set(faults)) == 6


def test_bad_objects_share_no_id_with_the_good(read: list[dict]) -> None:
    assert not {name for name, _ in itertools.islice(bad_objects(Recipe()), 50)} & {item["id"] for item in read}


@pytest.mark.parametrize("today", ["2026-11-23", "2027-01-01", "2028-02-29", "2026-03-31"])
def test_the_recent_epoch_leaves_room_for_the_whole_workload(today: str) -> None:
    moment = datetime.fromisoformat(today).replace(tzinfo=UTC)
    begin = date.fromisoformat(recent_epoch(moment))
    assert begin.day == 1
    assert LATEST_DAYS < (moment.date() - begin).days < LATEST_DAYS + 64
