"""One suite, two engines: the store's unit tests run again here on PostgreSQL, and what concerns both is compared."""

import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import text

from sanjha.errors import Unavailable, WrongUse
from sanjha.exchange.pages import Filter
from sanjha.exchange.rules import SourceKind
from sanjha.exchange.service import source_key
from sanjha.stix.markings import Tlp
from sanjha.storage import leases, schema
from sanjha.storage.engine import METADATA, Database
from tests.postgres import Cluster, cluster
from tests.property import test_exchange_model as model
from tests.store import EVERY, SECOND, Store, indicator, marking, ref
from tests.unit.exchange import test_bringing_in, test_intake, test_reading_back, test_sending_out

pytestmark = pytest.mark.needs("initdb")

SUITE: tuple[ModuleType, ...] = (test_intake, test_reading_back, test_sending_out, test_bringing_in)
_FIXTURES = ("desk", "hooks", "office")


def _collected() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for module in SUITE:
        for name, thing in vars(module).items():
            if name.startswith("test_") and callable(thing):
                assert name not in found, f"two tests are called {name}"
                found[name] = thing
            elif name in _FIXTURES:
                found[name] = thing
    return found


globals().update(_collected())


def test_the_suite_is_here() -> None:
    """Not an empty loop: what runs on SQLite runs here."""
    assert len(_collected()) > 120


@pytest.fixture(scope="module")
def postgres_shelf(postgres_cluster: Cluster) -> Iterator[str]:
    """A migrated database for this module; each test finds it empty."""
    name = postgres_cluster.create()
    url = postgres_cluster.url(name)
    database = Database(url)
    schema.migrate(database)
    database.close()
    yield url
    postgres_cluster.drop(name)


def emptied(url: str) -> Store:
    """The store of that URL without a row in it."""
    store = Store(url, migrate=False)
    tables = ", ".join([*METADATA.tables, "search_text"])
    with store.database.writing() as connection:
        connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    return store


@pytest.fixture
def store(postgres_shelf: str) -> Iterator[Store]:
    """The same fixture as on SQLite."""
    made = emptied(postgres_shelf)
    yield made
    made.sound()
    made.close()


# -- the model ---------------------------------------------------------------------------------------------------------

_url: list[str] = []


class PostgresMachine(model.ExchangeMachine):
    """The exchange's model, held against the other engine."""

    def opened(self) -> Store:
        made = emptied(_url[0])
        self.closing.callback(made.close)
        return made


def test_the_exchange_is_its_model_on_this_engine_too(postgres_shelf: str) -> None:
    from hypothesis import settings
    from hypothesis.stateful import run_state_machine_as_test

    _url[:] = [postgres_shelf]
    run_state_machine_as_test(
        PostgresMachine, settings=settings(max_examples=max(5, model.EXAMPLES // 15), stateful_step_count=12)
    )


# -- several at once ---------------------------------------------------------------------------------------------------


def together(*calls: Any) -> list[Any]:
    """Runs calls in a thread each, begun at once; their answers or errors."""
    gate = threading.Barrier(len(calls))
    answers: list[Any] = [None] * len(calls)

    def run(place: int, call: Any) -> None:
        gate.wait()
        try:
            answers[place] = call()
        except Exception as error:
            answers[place] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_a_source_that_several_meet_at_once_is_one(store: Store) -> None:
    a = store.actor("a")
    for number in range(10):
        calls = [lambda n=number: source_key(store.database, SourceKind.IMPORT, f"s{n}", a.organisation)] * 6
        answers = together(*calls)
        assert len(set(map(str, answers))) == 1, answers
        assert isinstance(answers[0], int)


def test_the_same_object_from_several_at_once_is_stored_once(store: Store) -> None:
    shelf = store.collection()
    people = [store.actor(f"p{n}", {shelf.pk: Tlp.GREEN}) for n in range(5)]
    for number in range(10):
        answers = together(
            *[lambda p=p, n=number: store.post(p, shelf, indicator(n), marking(n, "TLP:GREEN")) for p in people]
        )
        assert [type(answer).__name__ for answer in answers] == ["Report"] * 5
        assert sum(answer.stored for answer in answers) == 2
        assert sum(answer.duplicates for answer in answers) == 8


def test_a_slow_writer_holds_up_its_own_collection_only_and_no_reader_passes_it_by(store: Store) -> None:
    slow, other = store.collection("Slow"), store.collection("Other")
    a = store.actor("a", {slow.pk: Tlp.GREEN, other.pk: Tlp.GREEN})
    store.post(a, slow, indicator(1))
    [first] = store.page(a, slow)
    inside, go = threading.Event(), threading.Event()

    def wait(*_: Any) -> None:
        inside.set()
        assert go.wait(30)

    one = threading.Thread(target=lambda: store.exchange.add(a, slow, [indicator(2)], last=wait))
    one.start()
    assert inside.wait(30)  # written, and not yet committed
    two = threading.Thread(target=lambda: store.post(a, slow, indicator(3)))
    two.start()
    assert store.post(a, other, indicator(4)).stored == 1  # another collection does not wait
    two.join(0.3)
    assert two.is_alive()
    assert store.page(a, slow, after=first.date_added) == []
    go.set()
    one.join()
    two.join()
    assert [entry.id for entry in store.page(a, slow, after=first.date_added)] == [ref("indicator", n) for n in (2, 3)]


def test_a_lease_has_one_holder(store: Store) -> None:
    answers = together(
        *[lambda h=f"h{n}": leases.take(store.database, "task", h, store.time, SECOND) for n in range(6)]
    )
    assert sorted(map(str, answers)) == ["False"] * 5 + ["True"]
    assert not leases.take(store.database, "task", "late", store.time + SECOND, SECOND)
    assert leases.take(store.database, "task", "late", store.time + SECOND + 1, SECOND)
    leases.give_back(store.database, "task", "nobody")
    assert not leases.take(store.database, "task", "next", store.time + SECOND + 2, SECOND)
    leases.give_back(store.database, "task", "late")
    assert leases.take(store.database, "task", "next", store.time + SECOND + 2, SECOND)


def test_a_server_that_dies_is_unavailable_and_what_it_acknowledged_is_there_again() -> None:
    with cluster(fsync=True) as server:
        store = Store(server.url(server.create()))
        shelf = store.collection()
        a = store.actor("a", {shelf.pk: Tlp.GREEN})
        store.post(a, shelf, indicator(1))

        def crash(*_: Any) -> None:
            server.crash()

        with pytest.raises(Unavailable) as away:
            store.exchange.add(a, shelf, [indicator(2)], last=crash)
        assert "try again" in away.value.public
        for call in (lambda: store.page(a, shelf), lambda: store.post(a, shelf, indicator(3))):
            with pytest.raises(Unavailable):
                call()
        name = store.database.url.database
        store.close()
        server.start()
        again = Store(server.url(str(name)), migrate=False)
        assert again.raws(a, shelf) == [indicator(1)]
        assert again.post(a, shelf, indicator(2)).stored == 1
        again.sound()
        again.close()


def test_an_index_that_falls_behind_is_caught_up_by_one_of_several(store: Store) -> None:
    from sanjha.exchange import search

    shelf = store.collection()
    a = store.actor("a", {shelf.pk: Tlp.GREEN})
    store.post(a, shelf, *[indicator(n) for n in range(50)])
    together(*[lambda: search.index_more(store.database, shelf.pk)] * 4)
    assert store.rows("SELECT count(*) FROM search_text") == [(50,)]


# -- both engines give the same ----------------------------------------------------------------------------------------


def test_order_and_case_are_the_same_on_both_engines(store: Store, tmp_path: Any) -> None:
    """Bytewise, whatever the language of the server."""
    from tests.store import sqlite_store

    values = [
        "a.example",
        "B.example",
        "ä.example",
        "a-b.example",
        "a_b.example",
        "aa.example",
        "Z.example",
        "xn--4ca.example",
    ]
    pages = []
    with sqlite_store(tmp_path) as other:
        for each in (store, other):
            shelf = each.collection()
            a = each.actor("a", {shelf.pk: Tlp.GREEN})
            raws = [indicator(n, pattern=f"[domain-name:value = '{value}']") for n, value in enumerate(values)]
            each.post(a, shelf, *raws)
            keys = [row[0] for row in each.rows("SELECT key FROM value ORDER BY kind, key, object")]
            pages.append((keys, each.raws(a, shelf, EVERY), each.raws(a, shelf, Filter(types=("indicator",)))))
    assert pages[0] == pages[1]


# -- migrations --------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Database]:
    """An empty store of either engine."""
    sqlite = request.param == "sqlite"
    database = Database(f"sqlite:///{tmp_path}/s.sqlite" if sqlite else request.getfixturevalue("postgres_url"))
    yield database
    database.close()


def test_an_empty_store_is_brought_to_what_the_program_expects(empty: Database) -> None:
    assert schema.held(empty) is None
    ran = schema.migrate(empty)
    assert ran == sorted(ran)
    assert ran[0] == "0001"
    assert schema.held(empty) == schema.expected() == ran[-1]
    assert schema.migrate(empty) == []
    assert schema.differences(empty) == []


def test_the_columns_types_are_those_of_the_program(empty: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    schema.migrate(empty)
    with empty.reading() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA)
    beside = [step for step in found if not (step[0] == "remove_table" and step[1].name.startswith("search_text"))]
    assert [step for step in beside if step[0] != "remove_index" or "search_text" not in step[1].name] == []


def test_a_store_that_is_newer_is_not_touched(empty: Database) -> None:
    schema.migrate(empty)
    with empty.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(WrongUse, match="newer program"):
        schema.migrate(empty)
    assert schema.held(empty) == "9999"


def test_several_that_open_an_empty_store_at_once_migrate_it_once(empty: Database) -> None:
    others = [Database(empty.url.render_as_string(hide_password=False)) for _ in range(3)]
    ran = together(*[lambda d=d: schema.migrate(d) for d in others])
    assert sorted(map(len, ran))[:2] == [0, 0]
    assert schema.held(empty) == schema.expected()
    for each in others:
        each.close()


def test_a_store_of_the_first_revision_opens_with_what_it_holds(empty: Database) -> None:
    """Written as the first release wrote it, read as this one reads."""
    schema.migrate(empty, "0001")
    blob = "x'{}'" if empty.kind == "sqlite" else "'\\x{}'::bytea"
    raws = {1: marking(1, "TLP:GREEN"), 2: indicator(1, refs=[ref("marking-definition", 1)]), 3: indicator(2)}
    with empty.writing() as connection:
        connection.execute(
            text("INSERT INTO organisation (pk, id, name, audience, created) VALUES (1, 'o', 'node', 'own', 1)")
        )
        connection.execute(
            text("INSERT INTO organisation (pk, id, name, audience, created) VALUES (2, 'a', 'a', 'client', 1)")
        )
        connection.execute(
            text(
                "INSERT INTO collection (pk, id, title, default_tlp, last_added, indexed_upto, created)"
                " VALUES (1, 'c', 'T', 1, 30, 0, 1)"
            )
        )
        connection.execute(text("INSERT INTO source (pk, kind, name, organisation) VALUES (1, 'token', 'a', 2)"))
        import hashlib

        for pk, raw in raws.items():
            kind, _, _ = (item := __import__("json").loads(raw))["id"].partition("--")
            connection.execute(
                text(
                    "INSERT INTO object (pk, collection, date_added, id, type, spec, version, strand, latest, tlp, pap, owner,"
                    f" source, revoked, digest) VALUES ({pk}, 1, {pk * 10}, '{item['id']}', '{kind}', 21, {pk}, 0, 2, 1, -1, 2,"
                    f" 1, :no, {blob.format(hashlib.sha256(raw).hexdigest())})"
                ),
                {"no": False},
            )
            connection.exec_driver_sql(f"INSERT INTO body (object, raw) VALUES ({pk}, {blob.format(raw.hex())})")
        connection.execute(
            text(f"INSERT INTO marking (collection, id, tlp, pap) VALUES (1, '{ref('marking-definition', 1)}', 1, -1)")
        )
        if empty.kind == "postgresql":
            for table in ("object", "organisation", "collection", "source"):
                connection.execute(text(f"SELECT setval('{table}_pk_seq', 100)"))
    assert schema.migrate(empty) != []
    assert schema.differences(empty) == []
    store = Store(empty.url.render_as_string(hide_password=False), migrate=False)
    try:
        owner = store.owner()
        shelf, _ = store.exchange.collection(owner, "c")
        assert store.raws(owner, shelf) == list(raws.values())
        a = store.actor("a", {shelf.pk: Tlp.GREEN})
        assert a.organisation == 2
        store.post(a, shelf, indicator(3, refs=[ref("marking-definition", 1)]))
        assert store.page(a, shelf)[-1].id == ref("indicator", 3)
        assert store.rows("SELECT tlp FROM object WHERE pk > 3") == [(Tlp.GREEN,)]  # the old definition still counts
    finally:
        store.close()
