from pathlib import Path

import orjson
import pytest

from bench.corpus import Corpus
from bench.workload import Recipe, objects

RECIPE = Recipe(versions=0.1, revoked=0.5)


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return list(objects(RECIPE, 400))


@pytest.fixture
def corpus(lines: list[bytes]) -> Corpus:
    return Corpus(b"\n".join(lines) + b"\n")


def test_a_written_corpus_holds_the_workload(tmp_path: Path, lines: list[bytes]) -> None:
    corpus = Corpus.write(tmp_path / "objects", RECIPE, 400)
    assert [corpus[place] for place in range(len(corpus))] == lines


def test_an_envelope_holds_its_objects_byte_for_byte(corpus: Corpus, lines: list[bytes]) -> None:
    assert corpus.body(10, 13) == b'{"objects":[' + b",".join(lines[10:13]) + b"]}"
    assert corpus.body(399, 400, (b"{}", b"[]")) == b'{"objects":[' + lines[399] + b",{},[]]}"


def test_ids_and_how_many_are_different(corpus: Corpus, lines: list[bytes]) -> None:
    ids = [orjson.loads(line)["id"] for line in lines]
    assert list(corpus.ids(400)) == ids
    assert corpus.unique(400) == len(set(ids)) < 400


def test_values_are_of_objects_that_are_not_revoked(corpus: Corpus, lines: list[bytes]) -> None:
    items = [orjson.loads(line) for line in lines]
    revoked = {item["id"] for item in items if item.get("revoked")}
    assert revoked
    patterns = [item["pattern"] for item in items if "pattern" in item and item["id"] not in revoked]
    values = corpus.values(400, 10_000)
    assert len(values) == len(set(values)) > 100
    assert all(any(f"'{value}'" in pattern for pattern in patterns) for value in values)


def test_no_more_values_than_wanted_and_spread_over_the_objects(corpus: Corpus, lines: list[bytes]) -> None:
    values = corpus.values(400, 30)
    assert len(values) == 30
    places = [next(n for n, line in enumerate(lines) if f"'{value}'".encode() in line) for value in values]
    assert max(places) > 300


def test_a_line_without_an_id_is_an_error() -> None:
    with pytest.raises(ValueError, match="line 2"):
        Corpus(b'{"id":"a"}\n{}\n').id_at(1)
