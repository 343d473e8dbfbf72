"""How SQLite finds what is asked: by an index, never by reading a table from end to end."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from sqlalchemy import event

from sanjha.access.actions import Action
from sanjha.exchange import search
from sanjha.exchange.exports import Exports, Wish
from sanjha.exchange.pages import Filter, Versions
from sanjha.exchange.stream import follow
from sanjha.exchange.warnings import Warnings
from sanjha.stix.markings import Tlp
from tests.store import Store, address, indicator, marking, ref, sighting, sqlite_store

#: Of these there are few, or the whole is wanted.
SMALL = frozenset(
    {"collection", "source", "network_length", "warning_list", "feed", "access_grant", "token", "organisation", "g"}
)
#: The order of a subquery, a list that came with the question, the text index asked by its words.
INNER = ("json_each", "CONSTANT ROW", "search_text VIRTUAL TABLE INDEX", "k VIRTUAL TABLE INDEX", "(subquery", "(join")


class Plans:
    """Listens to the statements of a store and asks SQLite how it runs them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.asked: list[tuple[str, Any]] = []
        self.path = str(store.database.url.database)
        for engine in (store.database._engine, store.database._writer):
            event.listen(engine, "before_cursor_execute", self._hear)

    def _hear(self, _: Any, __: Any, statement: str, parameters: Any, ___: Any, many: bool) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
            self.asked.append((statement, parameters[0] if many else parameters))

    def of(self, call: Callable[[], Any]) -> list[str]:
        """The steps of every statement that ``call`` runs; a step that reads a large table whole fails the test."""
        self.asked.clear()
        call()
        assert self.asked
        steps: list[str] = []
        connection = apsw.Connection(self.path)
        for statement, parameters in self.asked:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", tuple(parameters))]
            for step in plan:
                words = step.split()
                whole = words[0] == "SCAN" and not any(inner in step for inner in INNER)
                if whole and words[1] not in SMALL:
                    # A bare alias is the subquery that was cut to a page before its bodies were joined.
                    assert words[1:] == ["o"] and "CO-ROUTINE o" in plan, f"{step!r} of {plan} for {statement}"  # noqa: PT018
            steps += plan
        connection.close()
        return steps


@pytest.fixture
def plans(tmp_path: Path) -> Iterator[Plans]:
    with sqlite_store(tmp_path) as store:
        shelf = store.collection()
        a = store.actor("a", {shelf.pk: Tlp.AMBER})
        store.post(a, shelf, *[indicator(n) for n in range(300)], *[address(n) for n in range(50)])
        store.post(a, shelf, *[sighting(n, ref("indicator", n)) for n in range(20)])
        search.index_more(store.database, shelf.pk)
        yield Plans(store)


def _page(plans: Plans, wanted: Filter, after: int = 1) -> list[str]:
    store = plans.store
    with store.database.reading() as connection:
        from sanjha.access.tokens import actor_named

        actor = actor_named(connection, "a")
    shelf, _ = store.exchange.collection(actor, store.exchange.collections(actor)[0][0].id)
    return plans.of(lambda: store.exchange.read(actor, shelf, wanted, after, 100))


BY_DATE = "SEARCH o USING INDEX object_added (collection=? AND date_added>?)"
BY_TYPE = "SEARCH o USING INDEX object_type (collection=? AND type=? AND date_added>?)"
BY_ID = "SEARCH o USING INDEX object_version (collection=? AND id=?)"


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Filter(), BY_DATE),
        (Filter(types=("indicator",)), BY_TYPE),
        (Filter(types=("indicator", "malware")), BY_DATE),
        (Filter(ids=(ref("indicator", 1),)), BY_ID),
        (Filter(ids=tuple(ref("indicator", n) for n in range(1_000)), types=("indicator",)), BY_ID),
        (Filter(specs=(20, 21)), BY_DATE),
        (Filter(versions=Versions(last=False, every=True)), BY_DATE),
        (Filter(versions=Versions(first=True)), BY_DATE),
        (Filter(versions=Versions(last=False, exact=(1, 2))), BY_DATE),
        (Filter(ids=(ref("indicator", 1),), versions=Versions(last=False, every=True)), BY_ID),
        (Filter(types=("indicator",), versions=Versions(last=False, first=True)), BY_TYPE),
    ],
)
def test_a_page_is_read_by_its_index_and_sorts_only_what_was_named(plans: Plans, wanted: Filter, index: str) -> None:
    steps = _page(plans, wanted)
    assert index in steps, steps
    assert ("USE TEMP B-TREE FOR ORDER BY" in steps) == bool(wanted.ids), steps
    assert "SEARCH b USING INTEGER PRIMARY KEY (rowid=?)" in steps


def test_everything_else_finds_what_it_wants_too(plans: Plans) -> None:
    store = plans.store
    owner = store.owner()
    view, ids = store.exchange.window(owner, Action.READ_OBJECTS)
    shelf, _ = store.exchange.collection(owner, next(iter(ids.values())))
    exports = Exports(store.exchange, Warnings(store.database), "node", "namespace")
    question = search.Question("indicator 7")

    steps = plans.of(lambda: store.exchange.look_up(owner, ["198.51.100.7", "x.example"]))
    assert "SEARCH v USING PRIMARY KEY (kind=? AND key=?)" in steps
    assert "SEARCH o USING INTEGER PRIMARY KEY (rowid=?)" in steps
    steps = plans.of(lambda: b"".join(exports.prepare(owner, "csv", Wish()).chunks()))
    assert "SEARCH v USING PRIMARY KEY (kind=? AND (key,object)>(?,?))" in steps
    assert "USE TEMP B-TREE FOR ORDER BY" not in steps
    store.tick(400 * 86_400_000_000)
    steps = plans.of(lambda: list(exports.prepare(owner, "list-ipv4", Wish()).left_out()))
    assert any(step.startswith("SEARCH a USING PRIMARY KEY (target=?)") for step in steps), steps
    plans.of(lambda: b"".join(exports.prepare(owner, "stix", Wish()).chunks()))
    steps = plans.of(lambda: follow(store.database, view, {}))
    assert any("removal_date (collection=? AND date_removed>? AND date_removed<?)" in step for step in steps), steps
    plans.of(lambda: search.search(store.database, view, question, 20, ids, facets=True))
    plans.of(lambda: search.search(store.database, view, search.Question(), 20, ids, before=(store.time, 1)))
    plans.of(lambda: search.index_more(store.database, shelf.pk))


def test_a_post_reads_only_what_it_touches(plans: Plans) -> None:
    store = plans.store
    owner = store.owner()
    shelf, _ = store.exchange.collection(owner, store.exchange.collections(owner)[0][0].id)
    mark = ref("marking-definition", 1)
    plans.of(lambda: store.post(owner, shelf, indicator(1, 2), indicator(900, refs=[mark]), address(1)))
    steps = plans.of(lambda: store.post(owner, shelf, marking(1, "TLP:GREEN")))
    assert not any("object_added (collection=?)" in step for step in steps), steps  # not the whole collection
    plans.of(lambda: store.exchange.delete(owner, shelf, ref("indicator", 900), None, ()))
