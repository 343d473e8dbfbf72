"""What a person is told: what happened, where, and what to do next."""

import os
import stat
from pathlib import Path

import pytest

from sanjha.cli.outcome import EXIT_DONE, EXIT_SOME_REFUSED, EXIT_WRONG_USE
from sanjha.errors import Unavailable
from sanjha.node import assembly
from tests.unit.cli.conftest import Sanjha, bundle, indicator


class TestImport:
    def test_an_empty_file_is_refused(self, node: Path, tmp_path: Path, sanjha: Sanjha) -> None:
        (tmp_path / "empty.json").touch()
        done = sanjha("import", node, tmp_path / "empty.json")
        assert done.code == EXIT_SOME_REFUSED
        assert "REFUSED: the file is empty" in done.out

    def test_json_by_name_that_is_none_says_where(self, node: Path, tmp_path: Path, sanjha: Sanjha) -> None:
        (tmp_path / "page.json").write_text("<html>not found</html>")
        done = sanjha("import", node, tmp_path / "page.json")
        assert done.code == EXIT_SOME_REFUSED
        assert "REFUSED: line 1, column 1" in done.out

    def test_a_pipe_cannot_be_read_twice(self, node: Path, tmp_path: Path, sanjha: Sanjha) -> None:
        os.mkfifo(tmp_path / "pipe")
        done = sanjha("import", node, tmp_path / "pipe")
        assert done.code == EXIT_WRONG_USE
        assert "write it to a file" in done.err

    def test_what_is_wrong_and_what_to_do_are_two_sentences(self, node: Path, tmp_path: Path, sanjha: Sanjha) -> None:
        (tmp_path / "l.txt").write_text("198.51.100.7\nno value at all\n")
        done = sanjha("import", node, tmp_path / "l.txt")
        assert "  refused line 2, value: 'no value at all' is no value that we know" in done.out
        assert "; correct the cell or leave the row out [csv/value]" in done.out

    def test_many_files_have_a_sum_that_names_the_refused(self, node: Path, tmp_path: Path, sanjha: Sanjha) -> None:
        good = bundle(tmp_path / "good.json", indicator(1, "[ipv4-addr:value = '198.51.100.7']"))
        (tmp_path / "bad.json").write_text('{"type": "bundle", "objects": [')
        done = sanjha("import", node, good, tmp_path / "bad.json")
        assert (
            done.out.splitlines()[-1] == f"2 files: 1 stored, 0 refused, 1 files refused whole: {tmp_path / 'bad.json'}"
        )

    def test_a_variant_points_to_where_it_is_kept(self, node: Path, tmp_path: Path, sanjha: Sanjha) -> None:
        pattern = "[ipv4-addr:value = '198.51.100.7']"
        sanjha("import", node, bundle(tmp_path / "a.json", indicator(1, pattern)))
        other = bundle(tmp_path / "b.json", indicator(1, pattern, name="another name"))
        assert f"sanjha variants {node}" in sanjha("import", node, other).out
        (found,) = sanjha("import", node, other, "--json").document["files"]
        assert found["variant_list"][0]["version"] == "2026-01-01T00:00:00.000000Z"


def test_two_collections_of_one_title_are_told_apart_by_id(node: Path, sanjha: Sanjha) -> None:
    for _ in range(2):
        sanjha("collection", "create", node, "--title", "T")
    done = sanjha("token", "create", node, "--name", "op", "--grant", "T=read")
    assert done.code == EXIT_WRONG_USE
    assert "2 collections have the title 'T': name one by its id" in done.err


class TestToken:
    def test_it_says_how_far_it_reaches(self, node: Path, sanjha: Sanjha) -> None:
        done = sanjha("token", "create", node, "--name", "op", "--grant", "shared=read")
        assert "reaches  shared=read:TLP:GREEN" in done.out  # a member's, unless told otherwise
        assert "reaches  nothing" in sanjha("token", "create", node, "--name", "nobody").out
        rows = sanjha("token", "list", node).out.splitlines()
        assert rows[0].split() == ["NAME", "ORGANISATION", "AUDIENCE", "STATE", "REACHES"]
        assert rows[2].split() == ["op", "token:op", "member", "in", "force", "shared=read:TLP:GREEN"]

    def test_an_organisation_that_is_known_keeps_its_audience(self, node: Path, sanjha: Sanjha) -> None:
        sanjha("organisation", "add", node, "Grid", "--audience", "client")
        done = sanjha("token", "create", node, "--name", "grid", "--organisation", "Grid", "--grant", "shared=read")
        assert done.code == EXIT_DONE, done.err
        assert "shared=read:TLP:AMBER" in done.out

    def test_a_name_is_given_once(self, node: Path, sanjha: Sanjha) -> None:
        sanjha("token", "create", node, "--name", "op")
        assert "there is a token named 'op' already" in sanjha("token", "create", node, "--name", "op").err
        sanjha("token", "revoke", node, "op")
        done = sanjha("token", "create", node, "--name", "op")
        assert done.code == EXIT_WRONG_USE
        assert "there was a token named 'op' already, and no name is given twice" in done.err


def test_formats_are_listed_without_a_node(sanjha: Sanjha) -> None:
    assert "nftables" in sanjha("export", "--list").out


def test_bytes_of_variants_are_not_for_a_table(node: Path, sanjha: Sanjha) -> None:
    done = sanjha("variants", node, "--bytes")
    assert done.code == EXIT_WRONG_USE
    assert "--json" in done.err


def test_a_wrong_url_is_wrong_use(node: Path, sanjha: Sanjha) -> None:
    done = sanjha("feed", "add", node, "x", "taxii", "ftp://peer.example/")
    assert done.code == EXIT_WRONG_USE
    assert "https://" in done.err


def test_a_wrong_member_leaves_nothing_behind(tmp_path: Path, sanjha: Sanjha) -> None:
    assert sanjha("init", tmp_path / "n", "--member", "P K").code == EXIT_WRONG_USE
    assert not (tmp_path / "n").exists()


def test_what_a_node_keeps_is_for_its_user_only(tmp_path: Path, sanjha: Sanjha) -> None:
    old = os.umask(0o022)
    try:
        sanjha("init", tmp_path / "n", "--member", "pk")
        sanjha("backup", tmp_path / "n", tmp_path / "b")
        sanjha("restore", tmp_path / "m", tmp_path / "b")
    finally:
        os.umask(old)
    for folder in ("n", "m"):
        for name in ("node.toml", "node.key", "store.db"):
            assert stat.S_IMODE((tmp_path / folder / name).stat().st_mode) == 0o600, (folder, name)


def test_a_store_that_cannot_be_written_says_by_whom(
    node: Path, sanjha: Sanjha, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        cause = "ReadOnlyError: attempt to write a readonly database"
        raise Unavailable("the database does not answer as it should; try again", cause=cause)

    monkeypatch.setattr(assembly.Node, "_check_schema", refuse)
    done = sanjha("lookup", node, "192.0.2.1")
    assert "this user may not write in the node's folder" in done.err
    assert "try again" not in done.err
