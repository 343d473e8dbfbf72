"""The walk of ``tests/peers/test_taxii_client.py`` over a million objects."""

from pathlib import Path

import pytest
from taxii2client.v21 import Collection

from tests.peers.walking import preload, walk_while_writing
from tests.running import serving

COUNT = 1_000_000


@pytest.mark.parametrize("store", ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("initdb"))])
def test_a_million_objects_are_walked_while_others_write(
    request: pytest.FixtureRequest, tmp_path: Path, store: str
) -> None:
    database = "" if store == "sqlite" else request.getfixturevalue("postgres_url")
    with serving(tmp_path / "node", database=database, start=False) as made:
        preload(made, tmp_path / "bundle.json", COUNT)
        made.start("--processes", "2")
        secret = made.token("u", {made.first: "rw"})
        with Collection(f"{made.api_root}collections/{made.first}/", user="u", password=secret) as collection:
            print(store, walk_while_writing(made, secret, collection, COUNT))
        assert made.stop() == 0
