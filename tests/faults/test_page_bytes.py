"""A page of very large objects stays within its bound, and the walk still meets every one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sanjha.exchange import pages
from sanjha.exchange.pages import Filter
from tests.store import Store, indicator, sqlite_file


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store of each kind."""
    on_file = request.param == "sqlite"
    if on_file:
        sqlite_file(tmp_path)
    held = Store(f"sqlite:///{tmp_path}/store.sqlite" if on_file else request.getfixturevalue("postgres_url"))
    yield held
    held.close()


def test_a_page_holds_no_more_bytes_than_it_may(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_BYTES", 100_000)
    actor, shelf = store.owner(), store.collection()
    sizes = [10, 60_000, 60_000, 10, 10, 250_000, 10, 99_000]
    objects = [indicator(number, description="x" * size) for number, size in enumerate(sizes)]
    store.post(actor, shelf, *objects)

    seen: list[bytes] = []
    counts = []
    after = -1
    while True:
        page = store.exchange.read(actor, shelf, Filter(), after, 5)
        raws = [entry.raw or b"" for entry in page.entries]
        assert len(raws) == 1 or sum(map(len, raws)) <= 100_000
        seen += raws
        counts.append(len(raws))
        if not page.more:
            break
        after = page.entries[-1].date_added

    assert counts == [2, 3, 1, 2]
    assert seen == objects
