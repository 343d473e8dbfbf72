"""The phases against a server in memory: what an honest one gets, and that each kind of cheating is seen."""

import itertools
import re
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from bench import phases
from bench.client import Client, Endpoint, Fault
from bench.corpus import Corpus
from bench.phases import BAD_EACH, Scene
from bench.workload import Recipe, objects

RECIPE = Recipe(versions=0.05)
SIZE = 300
ENDPOINT = Endpoint(origin="http://node", api_root="http://node/r/", collection="c", token="t", has_api=True)
LONG = 60.0


class Honest:
    """A small TAXII server: latest versions, pages by offset, refuses what breaks a rule."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.failed = 0

    def refuses(self, item: dict[str, Any]) -> bool:
        if item["type"] != "indicator":
            return False
        whole = {"valid_from", "pattern", "pattern_type"} <= item.keys() and item["id"].startswith("indicator--")
        good = item["confidence"] <= 100 and re.match(r"\d{4}-\d\d-\d\dT", item["created"]) is not None
        return not (whole and good) or item["pattern"].startswith("[[")

    def shown(self, query: httpx.QueryParams) -> list[dict[str, Any]]:
        return [item for item in self.held.values() if query.get("match[type]") in (None, item["type"])]

    def page(self, items: list[dict[str, Any]], query: httpx.QueryParams) -> dict[str, Any]:
        start, limit = int(query.get("next", "0")), int(query["limit"])
        body: dict[str, Any] = {"objects": items[start : start + limit]}
        if start + limit < len(items):
            body |= {"more": True, "next": str(start + limit)}
        return body

    def lookup(self, values: list[str]) -> list[dict[str, Any]]:
        text = orjson.dumps(list(self.held.values())).decode()
        return [{"value": value, "matches": ["it"] if f"'{value}'" in text else []} for value in values]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/api/v1/lookup":
            return self.answer({"results": self.lookup(orjson.loads(request.content)["values"])})
        if path.startswith("/api/v1/exports/"):
            return httpx.Response(200, content=b"192.0.2.1\n192.0.2.2\n")
        if path.startswith("/r/status/"):
            return self.answer(self.status("complete", self.failed))
        if request.method == "POST":
            items = orjson.loads(request.content)["objects"]
            bad = [item for item in items if self.refuses(item)]
            self.held |= {item["id"]: item for item in items if item not in bad}
            self.failed = len(bad)
            return self.answer(self.status("pending", 0), 202)
        if path == "/r/collections/c/objects/":
            return self.answer(self.page(self.shown(request.url.params), request.url.params))
        item = self.held.get(path.rsplit("/", 2)[1])
        return self.answer({"objects": [item]}) if item else self.answer({"title": "none"}, 404)

    def status(self, word: str, failed: int) -> dict[str, Any]:
        stamp = "2026-01-01T00:00:00.000000Z"
        return {"id": "s", "status": word, "request_timestamp": stamp, "failure_count": failed}

    def answer(self, body: dict[str, Any], code: int = 200) -> httpx.Response:
        return httpx.Response(code, content=orjson.dumps(body))


@pytest.fixture
def scene_of() -> Callable[[Honest], Scene]:
    def make(server: Honest) -> Scene:
        corpus = Corpus(b"\n".join(objects(RECIPE, SIZE)) + b"\n")
        client = Client(ENDPOINT, httpx.MockTransport(server))
        return Scene(client, corpus, RECIPE, envelope=100, page=40)

    return make


def test_an_honest_server_gets_all_its_numbers(
    scene_of: Callable[[Honest], Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phases, "LOOKUP", 200)
    scene = scene_of(Honest())
    taken = phases.ingest(scene, SIZE, LONG)
    assert not taken.partial
    assert taken.numbers["objects"] == SIZE
    assert taken.numbers["refused"] == 3 * BAD_EACH
    got = phases.download(scene, LONG, least_pages=1)
    assert got.numbers["objects"] == scene.corpus.unique(SIZE)
    assert [got.numbers[name] for name in ("missing", "repeated", "altered")] == [0, 0, 0]
    assert got.numbers["checked"] > 20
    assert phases.filtered(scene, 5, LONG).numbers["n"] == 5
    assert phases.by_id(scene, 7, LONG).numbers["n"] == 7
    assert phases.lookup(scene, 2, LONG).numbers["values"] > 100
    assert phases.export(scene, "list-ipv4").numbers["objects"] == 2


def test_a_phase_that_takes_too_long_is_partial(scene_of: Callable[[Honest], Scene]) -> None:
    scene = scene_of(Honest())
    assert phases.ingest(scene, SIZE, 0.0).partial
    assert scene.filled == 100
    assert phases.download(scene, 0.0).partial
    assert phases.by_id(scene, 5, 0.0).partial


def test_a_bad_object_taken_is_a_fault(scene_of: Callable[[Honest], Scene]) -> None:
    class TakesAll(Honest):
        def refuses(self, item: dict[str, Any]) -> bool:
            return False

    with pytest.raises(Fault, match="0 objects refused where 6 bad ones were sent"):
        phases.ingest(scene_of(TakesAll()), SIZE, LONG)


def test_a_bad_object_refused_but_kept_is_a_fault(scene_of: Callable[[Honest], Scene]) -> None:
    class Keeps(Honest):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            answer = super().__call__(request)
            if request.method == "POST" and "lookup" not in request.url.path:
                self.held |= {item["id"]: item for item in orjson.loads(request.content)["objects"]}
            return answer

    with pytest.raises(Fault, match="was stored"):
        phases.ingest(scene_of(Keeps()), SIZE, LONG)


def test_values_that_are_not_found_are_a_fault(
    scene_of: Callable[[Honest], Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forgets(Honest):
        def lookup(self, values: list[str]) -> list[dict[str, Any]]:
            return super().lookup(values)[1:]

    monkeypatch.setattr(phases, "_PATIENCE", 0.0)
    with pytest.raises(Fault, match="values not found by lookup"):
        phases.ingest(scene_of(Forgets()), SIZE, LONG)


def test_gaps_repeats_and_changes_are_counted(scene_of: Callable[[Honest], Scene]) -> None:
    class Sloppy(Honest):
        def page(self, items: list[dict[str, Any]], query: httpx.QueryParams) -> dict[str, Any]:
            body = super().page(items, query)
            if "next" not in query:
                body["objects"][0] = {**body["objects"][0], "spec_version": "indicator"}
            else:
                body["objects"][-1] = body["objects"][0]
            return body

    scene = scene_of(Sloppy())
    phases.ingest(scene, SIZE, LONG)
    got = phases.download(scene, LONG, least_pages=1).numbers
    assert got["altered"] == 1
    assert got["missing"] == got["repeated"] > 3


def test_a_filter_that_leaks_is_a_fault(scene_of: Callable[[Honest], Scene]) -> None:
    class Leaks(Honest):
        def shown(self, query: httpx.QueryParams) -> list[dict[str, Any]]:
            return list(self.held.values())

    scene = scene_of(Leaks())
    phases.ingest(scene, SIZE, LONG)
    with pytest.raises(Fault, match="let another type through"):
        phases.filtered(scene, 3, LONG)


def test_another_object_than_asked_for_is_a_fault(scene_of: Callable[[Honest], Scene]) -> None:
    scene = scene_of(Honest())
    phases.ingest(scene, SIZE, LONG)
    server = Honest()
    server.held = {name: {"id": "other"} for name in itertools.chain(scene.corpus.ids(SIZE))}
    scene.client = Client(ENDPOINT, httpx.MockTransport(server))
    with pytest.raises(Fault, match="did not come"):
        phases.by_id(scene, 3, LONG)


def test_what_an_error_says_is_one_line_without_ids(scene_of: Callable[[Honest], Scene]) -> None:
    class Broken(Honest):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(500, text="<h1>Internal\n Error</h1>")

    with pytest.raises(Fault, match=r"^POST /r/collections/c/objects/: 500 Internal Error$"):
        phases.ingest(scene_of(Broken()), SIZE, LONG)


def test_real_objects_that_are_refused_are_counted_and_said(scene_of: Callable[[Honest], Scene]) -> None:
    class Picky(Honest):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST" and b"malware--" in request.content:
                return httpx.Response(400, text="no malware here")
            return super().__call__(request)

    bodies = [b'{"type":"identity","id":"identity--1"}'] * 150 + [b'{"type":"malware","id":"malware--1"}'] * 100
    got = phases.real(scene_of(Picky()), bodies, LONG)
    assert (got.numbers["objects"], got.numbers["refused"], got.numbers["envelopes_refused"]) == (100, 150, 2)
    assert "no malware here" in got.note
