"""Every invariant sees its own breach: a store is broken on purpose, and fsck names what is wrong and what to do."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import pytest
from sqlalchemy import text

from sanjha.cli import run
from sanjha.exchange import invariants
from sanjha.exchange.invariants import INVARIANTS, MOST_BUCKETS, NAMED
from sanjha.node.assembly import Node
from sanjha.storage import schema
from tests.faults.stores import fill, indicator, make
from tests.shared import shared_files


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("fsck") / "pk")


@pytest.fixture
def node(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "pk"))


def _break(folder: Path, *statements: str) -> None:
    """Runs SQL that no program of ours would."""
    connection = apsw.Connection(str(folder / "store.db"))
    for statement in statements:
        connection.execute(statement)
        assert connection.changes(), f"nothing was broken: {statement}"
    connection.close()


def _fsck(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    capsys.readouterr()
    code = run(["fsck", str(folder), "--json"])
    return code, json.loads(capsys.readouterr().out)


def _broken(document: Any) -> dict[str, int]:
    return {each["name"]: each["breaches"] for each in document["invariants"] if each["breaches"]}


def test_a_sound_store_is_sound(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = _fsck(node, capsys)
    assert (code, document["sound"], document["findings"]) == (0, True, [])
    assert document["objects"] > 10


#: One object of each kind, by what is special about it.
_PLAIN = "(SELECT pk FROM object WHERE name = 'plain')"
_FIRST = "(SELECT pk FROM object WHERE name = 'first')"
_SECOND = "(SELECT pk FROM object WHERE name = 'second')"

BREACHES: list[tuple[str, str]] = [
    ("body", f"UPDATE body SET raw = raw || ' ' WHERE object = {_PLAIN}"),
    ("body", f"UPDATE object SET digest = zeroblob(32) WHERE pk = {_PLAIN}"),
    ("body", f"DELETE FROM body WHERE object = {_PLAIN}"),
    ("readable", f"UPDATE body SET raw = CAST('{{}}' AS BLOB) WHERE object = {_PLAIN}"),
    ("header", f"UPDATE object SET id = 'indicator--00000000-0000-4000-8000-00000000abcd' WHERE pk = {_PLAIN}"),
    ("header", f"UPDATE object SET type = 'malware' WHERE pk = {_PLAIN}"),
    ("header", f"UPDATE object SET spec = 20 WHERE pk = {_PLAIN}"),
    ("header", f"UPDATE object SET version = version + 1 WHERE pk = {_PLAIN}"),
    ("header", f"UPDATE object SET created_by = NULL WHERE pk = {_PLAIN}"),
    ("header", f"UPDATE object SET revoked = 1 WHERE pk = {_PLAIN}"),
    ("header", f"UPDATE object SET valid_from = NULL WHERE pk = {_PLAIN}"),
    ("header", f"UPDATE object SET valid_until = 1 WHERE pk = {_PLAIN}"),
    ("header", f"UPDATE object SET confidence = 51 WHERE pk = {_PLAIN}"),
    ("header", f"UPDATE object SET name = 'plainer' WHERE pk = {_PLAIN}"),
    ("marking", "UPDATE object SET tlp = 1 WHERE name = 'marked'"),
    ("marking", "UPDATE object SET tlp = 1 WHERE name LIKE 'by a marking%'"),
    ("marking", "UPDATE object SET tlp = 2 WHERE name = 'waits'"),
    ("marking", "UPDATE object SET pap = -1 WHERE pap > 0"),
    ("marking", f"UPDATE object SET tlp = 0 WHERE pk = {_PLAIN}"),
    ("marking", f"UPDATE object SET tlp = 3 WHERE pk = {_SECOND}"),
    ("marking", "UPDATE marking SET tlp = 0"),
    ("marking", "UPDATE collection SET default_tlp = 4"),
    ("marking", f"UPDATE object SET tlp = -7 WHERE pk = {_PLAIN}"),
    ("marking", "UPDATE object SET pap = -7 WHERE pap > 0"),
    ("waiting", "DELETE FROM unresolved"),
    ("waiting", f"INSERT INTO unresolved VALUES ('marking-definition--x', {_PLAIN})"),
    ("waiting", "DELETE FROM marking"),
    ("latest", f"UPDATE object SET latest = 2 WHERE pk = {_FIRST}"),
    ("latest", f"UPDATE object SET latest = 0 WHERE pk = {_SECOND}"),
    ("latest", f"UPDATE object SET latest = 1 WHERE pk = {_PLAIN}"),
    ("latest", "UPDATE object SET latest = 2 WHERE spec = 20"),
    ("latest", f"UPDATE object SET version = 9000000000000000000, latest = 0 WHERE pk = {_PLAIN}"),
    ("date-added", f"UPDATE object SET date_added = (SELECT max(date_added) FROM object) WHERE pk = {_PLAIN}"),
    ("date-added", "UPDATE collection SET last_added = last_added - 1000000000000 WHERE pk = 1"),
    ("date-added", "UPDATE removal SET date_removed = date_removed + 1000000000000"),
    ("value", f"DELETE FROM value WHERE object = {_PLAIN}"),
    ("value", "DELETE FROM value WHERE text IS NOT NULL"),
    ("value", f"INSERT INTO value VALUES ('domain', 'good.example', {_PLAIN}, 1, NULL)"),
    ("value", "INSERT INTO value VALUES ('domain', 'good.example', 123456, 1, NULL)"),
    ("value", f"UPDATE value SET alone = 0 WHERE object = {_PLAIN}"),
    ("value", f"UPDATE value SET key = '198.51.0.2' WHERE object = {_PLAIN}"),
    ("about", "DELETE FROM about"),
    ("about", f"INSERT INTO about VALUES ('indicator--x', {_PLAIN})"),
    ("network-length", "DELETE FROM network_length WHERE length = 24"),
    ("orphan", "INSERT INTO body VALUES (123456, x'00')"),
    ("orphan", "INSERT INTO arrival VALUES (123456, 1, 0)"),
    ("orphan", "INSERT INTO unresolved VALUES ('marking-definition--x', 123456)"),
    ("orphan", "UPDATE variant SET object = 123456"),
    ("orphan", "UPDATE variant SET source = 123456"),
    ("orphan", f"UPDATE object SET source = 123456 WHERE pk = {_PLAIN}"),
    ("orphan", f"UPDATE object SET owner = 123456 WHERE pk = {_PLAIN}"),
    ("orphan", f"UPDATE object SET collection = 123456 WHERE pk = {_PLAIN}"),
    ("orphan", "DELETE FROM token"),
    ("orphan", "UPDATE feed SET collection = 123456"),
    ("orphan", "UPDATE removal SET collection = 123456"),
    ("orphan", "INSERT INTO marking VALUES (123456, 'marking-definition--x', 1, 0, 0)"),
    ("orphan", "INSERT INTO watch VALUES (123456, 'asn', '1')"),
    ("orphan", "INSERT INTO dead_letter VALUES (1, 123456, 0, '', x'00')"),
    ("variant", "UPDATE variant SET raw = raw || ' '"),
]


@pytest.mark.parametrize(("name", "statement"), BREACHES)
def test_a_breach_is_named(name: str, statement: str, node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if name == "readable":
        digest = hashlib.sha256(b"{}").hexdigest()
        _break(node, statement, f"UPDATE object SET digest = x'{digest}' WHERE pk = {_PLAIN}")
    else:
        _break(node, statement)
    code, document = _fsck(node, capsys)
    assert code == 3
    assert name in _broken(document), document["findings"]
    told = next(each for each in document["invariants"] if each["name"] == name)
    assert "sanjha restore" in told["remedy"]
    assert any(each["invariant"] == name and each["where"] and each["what"] for each in document["findings"])


def test_every_invariant_is_broken_above() -> None:
    assert {name for name, _ in BREACHES} == {each.name for each in INVARIANTS}


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("DROP INDEX object_ends", "index object_ends is missing"),
        ("DROP TABLE watch", "table watch is missing"),
        ("CREATE TABLE odd (x int)", "table odd is not expected"),
        ("ALTER TABLE feed ADD COLUMN odd int", "column feed odd is not expected"),
        ("DROP INDEX source_name", "source_name"),
        ("DROP TABLE search_text", "search_text is missing"),
    ],
)
def test_another_schema_is_seen(statement: str, word: str, node: Path) -> None:
    with Node(node) as opened:
        with opened.database.writing() as connection:
            connection.execute(text(statement))
        assert any(word in each for each in schema.differences(opened.database))


def test_a_damaged_page_is_seen(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Node(node) as opened:
        fill(opened, [indicator(1_000 + number) for number in range(500)])
    path = node / "store.db"
    content = bytearray(path.read_bytes())
    root = next(apsw.Connection(str(path)).execute("SELECT rootpage FROM sqlite_master WHERE name = 'object_type'"))[0]
    content[(root - 1) * 4096 + 2_000 : root * 4096] = b"\xa5" * 2_096
    path.write_bytes(content)
    capsys.readouterr()
    code = run(["fsck", str(node)])
    told = capsys.readouterr()
    assert code == 3
    assert "BROKEN  file" in told.out or "damaged" in told.err
    assert "Traceback" not in told.err


def test_many_breaches_are_counted_and_the_first_named(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Node(node) as opened:
        fill(opened, [indicator(1_000 + number) for number in range(200)])
    _break(node, "UPDATE object SET confidence = 1 WHERE name IS NULL AND type = 'indicator'", "DELETE FROM value")
    _, document = _fsck(node, capsys)
    assert _broken(document)["header"] >= 200
    assert _broken(document)["value"] > MOST_BUCKETS
    named = [each["invariant"] for each in document["findings"]]
    assert named.count("header") == NAMED
    assert MOST_BUCKETS < named.count("value") <= NAMED


def test_people_are_told_what_to_do(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _break(node, f"UPDATE body SET raw = raw || ' ' WHERE object = {_PLAIN}")
    assert run(["fsck", str(node)]) == 3
    told = capsys.readouterr().out
    assert "BROKEN  body: " in told
    assert "indicator--00000000-0000-4000-8000-000000000001 (row " in told
    assert "What to do: restore the last good backup" in told
    assert "holds   value: " in told


def test_it_changes_nothing(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _break(node, "DELETE FROM value")
    before = (node / "store.db").read_bytes()
    _fsck(node, capsys)
    assert (node / "store.db").read_bytes() == before


def test_postgresql(tmp_path: Path, postgres_url: str) -> None:
    folder = make(tmp_path / "pk", postgres_url)
    with Node(folder) as node:
        assert schema.differences(node.database) == []
        with node.database.reading(snapshot=True) as connection:
            assert invariants.check(connection).counts == {}
        for statement in (
            "DELETE FROM value",
            "UPDATE object SET confidence = 7 WHERE confidence = 50",
            "DELETE FROM about",
        ):
            with node.database.writing() as connection:
                connection.execute(text(statement))
        with node.database.reading(snapshot=True) as connection:
            assert set(invariants.check(connection).counts) == {"value", "header", "about"}
        with node.database.writing() as connection:
            connection.execute(text("DROP INDEX object_type"))
        assert schema.differences(node.database) == ["the index object_type is missing"]


def test_a_running_node_is_not_disturbed_and_not_misjudged(node: Path) -> None:
    """Writers between the statements of a check look like breaches, unless it sees one moment."""
    command = [sys.executable, "-m", "sanjha.cli", "fsck", str(node)]
    checks = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(2)]
    with Node(node) as opened:
        number = 0
        while any(check.poll() is None for check in checks):
            fill(opened, [indicator(10_000 + number + each) for each in range(20)])
            number += 20
    for check in checks:
        told = check.communicate()[0]
        assert check.returncode == 0, told.decode()


@pytest.mark.parametrize("path", shared_files("attack/*.json")[:2], ids=lambda path: str(path.name))
def test_real_intelligence_is_sound(path: Path, node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", str(node), str(path), "--json"]) in (0, 1)
    code, document = _fsck(node, capsys)
    assert code == 0, document["findings"]
