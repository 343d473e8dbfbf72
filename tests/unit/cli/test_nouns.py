"""What each noun keeps, shows and refuses."""

import json
import tarfile
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from sanjha.cli.outcome import EXIT_DONE, EXIT_FAILURE, EXIT_SOME_REFUSED, EXIT_WRONG_USE
from sanjha.exchange.feeds.keeping import find_feed
from sanjha.node.assembly import Node
from tests.unit.cli.conftest import Sanjha, bundle, indicator

RED = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"
GREEN = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"


class TestInit:
    def test_json_is_what_programs_lean_on(self, tmp_path: Path, sanjha: Sanjha) -> None:
        done = sanjha("init", tmp_path / "n", "--member", "pk", "--origin", "https://cert.example/", "--json")
        document = done.document
        assert set(document) == {"node", "api_root", "collections"}
        assert document["api_root"] == "https://cert.example/taxii2/exchange/"
        assert [set(each) for each in document["collections"]] == [{"id", "title", "alias"}]

    def test_first_steps_are_told(self, tmp_path: Path, sanjha: Sanjha) -> None:
        done = sanjha("init", tmp_path / "n", "--member", "pk", "--allow-private", "10.1.0.0/16")
        for word in ("sanjha import", "sanjha token create", "sanjha feed add", "sanjha serve", "sanjha backup"):
            assert word in done.out
        assert sanjha("config", "show", tmp_path / "n", "--json").document["allow_private"] == ["10.1.0.0/16"]

    @pytest.mark.parametrize(
        ("option", "value", "word"),
        [
            ("--allow-private", "10.1.0.1/16", "host bits"),
            ("--origin", "cert.example", "https://"),
            ("--database", "mysql://x/y", "sqlite or postgresql"),
        ],
    )
    def test_a_wrong_setting_says_what_to_write(
        self, option: str, value: str, word: str, tmp_path: Path, sanjha: Sanjha
    ) -> None:
        done = sanjha("init", tmp_path / "n", "--member", "pk", option, value)
        assert done.code == EXIT_WRONG_USE
        assert word in done.err
        assert not (tmp_path / "n" / "node.toml").exists()


class TestFeed:
    def test_a_feed_is_kept_as_it_was_said(self, node: Path, sanjha: Sanjha) -> None:
        done = sanjha(
            "feed", "add", node, "lk", "taxii", "https://lk.example/taxii2/x/", "--remote-collection", "shared", "--user",
            "pk", "--password", "s3cret", "--every", 30, "--live", "--send-back", "--type", "indicator", "--all-versions",
        )  # fmt: skip
        assert done.code == EXIT_DONE, done.err
        with Node(node) as opened, opened.database.reading() as connection:
            kept = find_feed(connection, "lk")
        assert kept.send_back
        assert (kept.feed.collection, kept.feed.every, kept.feed.options.live) == ("shared", 30, True)
        assert (kept.feed.options.types, kept.feed.options.versions) == (("indicator",), "all")
        assert (kept.feed.auth.scheme, kept.feed.auth.user, kept.feed.auth.secret) == ("basic", "pk", "s3cret")

    def test_secrets_are_never_shown(self, node: Path, sanjha: Sanjha) -> None:
        sanjha("feed", "add", node, "a", "misp", "https://misp.example/feed/", "--token", "s3cret")
        sanjha("feed", "add", node, "b", "list", "https://b.example/l.txt", "--header", "X-API-Key=s3cret")
        for arguments in (["feed", "list", node], ["feed", "list", node, "--json"]):
            done = sanjha(*arguments)
            assert "misp.example" in done.out
            assert "s3cret" not in done.out + done.err

    def test_secrets_come_from_files_and_the_environment(
        self, node: Path, tmp_path: Path, sanjha: Sanjha, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "secret").write_text("from-a-file\n")
        sanjha("feed", "add", node, "a", "taxii", "https://a.example/", "--token", f"@{tmp_path / 'secret'}")
        monkeypatch.setenv("SANJHA_FEED_TOKEN", "from-the-environment")
        sanjha("feed", "add", node, "b", "taxii", "https://b.example/")
        with Node(node) as opened, opened.database.reading() as connection:
            secrets = [find_feed(connection, name).feed.auth.secret for name in ("a", "b")]
        assert secrets == ["from-a-file", "from-the-environment"]

    def test_misp_gets_its_key_bare(self, node: Path, sanjha: Sanjha) -> None:
        sanjha("feed", "add", node, "a", "misp", "https://misp.example/", "--token", "key")
        with Node(node) as opened, opened.database.reading() as connection:
            assert find_feed(connection, "a").feed.auth.headers() == {"Authorization": "key"}

    @pytest.mark.parametrize(
        ("arguments", "word"),
        [
            (["x", "taxii", "ftp://a.example/"], "https://"),
            (["x", "taxii", "https://u:p@a.example/"], "--user"),
            (["x", "taxii", "https://a.example/", "--user", "u"], "--password"),
            (["x", "taxii", "https://a.example/", "--token", "t", "--header", "A=b"], "not two"),
            (["x", "taxii", "https://a.example/", "--header", "A"], "NAME=VALUE"),
            (["x", "taxii", "https://a.example/", "--token", "@/no/such/file"], "cannot read"),
            (["x", "taxii", "https://a.example/", "--token", "a\nb"], "HTTP header"),
            (["x", "csv", "https://a.example/"], "mapping"),
            (["x", "list", "https://a.example/", "--live"], "TAXII"),
            (["x", "taxii", "https://a.example/", "--every", "0"], "--every"),
            (["x", "gopher", "https://a.example/"], "taxii"),
            (["x", "taxii", "https://a.example/", "--collection", "none"], "collection list"),
        ],
    )
    def test_what_cannot_be_followed(self, arguments: list[str], word: str, node: Path, sanjha: Sanjha) -> None:
        done = sanjha("feed", "add", node, *arguments)
        assert done.code in (EXIT_WRONG_USE, EXIT_FAILURE)
        assert word in done.err
        assert sanjha("feed", "list", node, "--json").document == []

    def test_a_feed_goes(self, node: Path, sanjha: Sanjha) -> None:
        sanjha("feed", "add", node, "a", "stix", "https://a.example/b.json")
        assert "follows" not in sanjha("feed", "list", node).out
        assert sanjha("feed", "remove", node, "a").code == EXIT_DONE
        assert "no feeds yet" in sanjha("feed", "list", node).out
        assert sanjha("feed", "remove", node, "a").code == EXIT_WRONG_USE
        assert "there are: none" in sanjha("feed", "run", node, "a").err


class TestMapping:
    def test_flags_become_a_mapping(self, node: Path, sanjha: Sanjha) -> None:
        sanjha(
            "mapping", "save", node, "urlhaus", "--value", "2", "--kind", "url", "--no-header", "--delimiter", "tab",
            "--default-label", "malware", "--default-tlp", "clear", "--valid-days", 30,
        )  # fmt: skip
        shown = json.loads(sanjha("mapping", "show", node, "urlhaus").out)
        assert (shown["value"], shown["kind"], shown["delimiter"], shown["header"]) == (2, "url", "\t", False)
        assert (shown["default_labels"], shown["default_tlp"], shown["valid_days"]) == (["malware"], "clear", 30)
        assert "urlhaus" in sanjha("mapping", "list", node).out

    def test_what_is_shown_can_be_saved_again(self, node: Path, tmp_path: Path, sanjha: Sanjha) -> None:
        sanjha("mapping", "save", node, "a", "--value", "ioc", "--title", "what")
        (tmp_path / "m.json").write_text(sanjha("mapping", "show", node, "a").out)
        assert sanjha("mapping", "save", node, "b", "--file", tmp_path / "m.json").code == EXIT_DONE
        one, two = (json.loads(sanjha("mapping", "show", node, name).out) for name in ("a", "b"))
        assert {**one, "name": "b"} == two

    def test_saving_again_keeps_the_date_of_creation(self, node: Path, sanjha: Sanjha) -> None:
        sanjha("mapping", "save", node, "a", "--value", "ioc")
        first = json.loads(sanjha("mapping", "show", node, "a").out)["since"]
        sanjha("mapping", "save", node, "a", "--value", "indicator")
        again = json.loads(sanjha("mapping", "show", node, "a").out)
        assert (again["since"], again["value"]) == (first, "indicator")

    def test_a_table_is_read_with_it(self, node: Path, tmp_path: Path, sanjha: Sanjha) -> None:
        (tmp_path / "t.csv").write_text("ioc,what\n192[.]0[.]2[.]7,scanner\nnonsense here,x\n")
        sanjha("mapping", "save", node, "a", "--value", "ioc", "--title", "what")
        done = sanjha("import", node, tmp_path / "t.csv", "--mapping", "a", "--json")
        assert done.code == EXIT_SOME_REFUSED
        assert (done.document["files"][0]["stored"], done.document["files"][0]["refused"]) == (1, 1)
        assert "scanner" in sanjha("lookup", node, "192.0.2.7").out

    @pytest.mark.parametrize(
        ("arguments", "word"),
        [
            ([], "--value COLUMN"),
            (["--value", "a", "--kind", "nothing"], "kind must be"),
            (["--value", "a", "--delimiter", "ab"], "--delimiter"),
            (["--value", "a", "--default-tlp", "purple"], "TLP"),
        ],
    )
    def test_what_is_no_mapping(self, arguments: list[str], word: str, node: Path, sanjha: Sanjha) -> None:
        done = sanjha("mapping", "save", node, "a", *arguments)
        assert done.code == EXIT_WRONG_USE
        assert word in done.err

    @pytest.mark.parametrize("content", [b"[]", b"{", b'{"value": "a", "colour": 1}', b"\xff"])
    def test_a_file_that_is_none(self, content: bytes, node: Path, tmp_path: Path, sanjha: Sanjha) -> None:
        (tmp_path / "m.json").write_bytes(content)
        assert sanjha("mapping", "save", node, "a", "--file", tmp_path / "m.json").code == EXIT_WRONG_USE


class TestWarningList:
    LIST: ClassVar = {"name": "Ours", "version": 3, "description": "", "type": "string", "matching_attributes": ["ip-dst"],
            "list": ["192.0.2.53"]}  # fmt: skip

    def test_a_listed_value_is_told_and_not_exported(self, node: Path, tmp_path: Path, sanjha: Sanjha) -> None:
        (tmp_path / "lists").mkdir()
        (tmp_path / "lists" / "list.json").write_text(json.dumps(self.LIST))
        sanjha("import", node, bundle(tmp_path / "b.json", indicator(1, "[ipv4-addr:value = '192.0.2.53']")))
        assert sanjha("export", node, "list-ipv4").out == "192.0.2.53\n"
        assert "1 lists kept, 1 entries" in sanjha("warning-list", "add", node, tmp_path / "lists").out
        assert sanjha("export", node, "list-ipv4").out == ""
        assert sanjha("export", node, "list-ipv4", "--include", "listed").out == "192.0.2.53\n"
        assert "known good: Ours" in sanjha("lookup", node, "192.0.2.53", "--warning-lists").out
        assert sanjha("warning-list", "list", node, "--json").document == [{"name": "Ours", "version": 3, "entries": 1}]
        assert sanjha("warning-list", "remove", node, "Ours").code == EXIT_DONE
        assert sanjha("warning-list", "remove", node, "Ours").code == EXIT_WRONG_USE

    def test_the_good_ones_are_kept(self, node: Path, tmp_path: Path, sanjha: Sanjha) -> None:
        (tmp_path / "a.json").write_text(json.dumps(self.LIST))
        (tmp_path / "b.json").write_text('{"name": 1}')
        done = sanjha("warning-list", "add", node, tmp_path / "a.json", tmp_path / "b.json")
        assert done.code == EXIT_SOME_REFUSED
        assert "b.json: REFUSED" in done.out
        assert len(sanjha("warning-list", "list", node, "--json").document) == 1


class TestWatch:
    def test_what_is_ones_own(self, node: Path, sanjha: Sanjha) -> None:
        done = sanjha("watch", "set", node, "192.0.2.9/24", "AS64500", "cert.example", "2001:DB8::1", "--json")
        assert done.document == [
            {"kind": "asn", "value": "64500"},
            {"kind": "cidr", "value": "192.0.2.0/24"},
            {"kind": "cidr", "value": "2001:db8::1/128"},
            {"kind": "domain", "value": "cert.example"},
        ]
        assert sanjha("watch", "set", node, "-", stdin=b"198.51.100.0/24\n\n").code == EXIT_DONE
        assert "198.51.100.0/24" in sanjha("watch", "list", node).out
        sanjha("watch", "set", node)
        assert "nothing is watched" in sanjha("watch", "list", node).out

    def test_of_another(self, node: Path, sanjha: Sanjha) -> None:
        sanjha("organisation", "add", node, "Grid", "--audience", "client")
        sanjha("watch", "set", node, "192.0.2.0/24", "--organisation", "Grid")
        assert "192.0.2.0/24" in sanjha("watch", "list", node, "--organisation", "Grid").out
        assert "nothing" in sanjha("watch", "list", node).out
        assert "organisation list" in sanjha("watch", "list", node, "--organisation", "nobody").err

    def test_what_cannot_be(self, node: Path, sanjha: Sanjha) -> None:
        assert sanjha("watch", "set", node, "not a thing").code == EXIT_WRONG_USE


def test_organisations(node: Path, sanjha: Sanjha) -> None:
    assert sanjha("organisation", "add", node, "lk").code == EXIT_DONE
    assert "is known here as member" in sanjha("organisation", "add", node, "lk", "--audience", "client").err
    found = sanjha("organisation", "list", node, "--json").document
    assert [(each["name"], each["audience"]) for each in found] == [("pk", "own"), ("lk", "member")]
    assert "TLP:RED" in sanjha("organisation", "list", node).out


class TestVariants:
    def test_are_listed_with_their_source(self, node: Path, tmp_path: Path, sanjha: Sanjha) -> None:
        first = indicator(1, "[ipv4-addr:value = '192.0.2.1']")
        sanjha("import", node, bundle(tmp_path / "a.json", first))
        sanjha("import", node, bundle(tmp_path / "b.json", {**first, "name": "other"}))
        found = sanjha("variants", node, "--json", "--bytes").document
        assert [(each["id"], each["reason"]) for each in found] == [(first["id"], "other-bytes")]
        assert found[0]["source"] == "import b.json (pk)"
        assert (found[0]["variant"]["name"], found[0]["held"]["name"]) == ("other", "number 1")
        assert first["id"] in sanjha("variants", node, "--collection", "shared").out
        assert "no variants" in sanjha("variants", node, "--id", "indicator--x").out


class TestConfig:
    def test_secrets_stay(self, node: Path, sanjha: Sanjha) -> None:
        with (node / "node.toml").open("a") as file:
            file.write('metrics_token = "s3cret"\n')
        done = sanjha("config", "show", node)
        assert "s3cret" not in done.out
        assert 'metrics_token = "(set)"' in done.out
        assert "# port = 8720" in done.out

    def test_a_wrong_setting_is_named(self, node: Path, sanjha: Sanjha) -> None:
        with (node / "node.toml").open("a") as file:
            file.write("prot = 1\n")
        done = sanjha("config", "show", node)
        assert done.code == EXIT_WRONG_USE
        assert "prot" in done.err


class TestExport:
    @pytest.fixture
    def filled(self, node: Path, tmp_path: Path, sanjha: Sanjha) -> Path:
        objects: list[dict[str, Any]] = [
            indicator(1, "[ipv4-addr:value = '192.0.2.1']", confidence=90),
            indicator(2, "[ipv4-addr:value = '192.0.2.2']", object_marking_refs=[RED], confidence=90),
            indicator(3, "[ipv4-addr:value = '192.0.2.3']", revoked=True),
            indicator(4, "[ipv4-addr:value = '192.0.2.4']", labels=["PAP:RED"]),
            indicator(5, "[ipv4-addr:value = '192.0.2.5' AND domain-name:value = 'a.example']"),
            indicator(6, "[domain-name:value = 'b.example']", object_marking_refs=[GREEN]),
        ]
        assert sanjha("import", node, bundle(tmp_path / "b.json", *objects)).code == EXIT_DONE
        return node

    def test_only_what_may_block_does(self, filled: Path, tmp_path: Path, sanjha: Sanjha) -> None:
        done = sanjha("export", filled, "list-ipv4", "--left-out", tmp_path / "out.jsonl")
        assert done.out == "192.0.2.1\n"
        left = [msgspec.json.decode(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
        assert {each["value"]: each["reason"].partition(":")[0] for each in left} == {
            "192.0.2.3": "revoked by its author",
            "192.0.2.4": "its PAP does not allow this use",
            "192.0.2.5": "means something only together with other values",
        }

    def test_red_only_when_red_is_said(self, filled: Path, sanjha: Sanjha) -> None:
        assert "192.0.2.2" not in sanjha("export", filled, "stix").out
        assert "192.0.2.2" in sanjha("export", filled, "stix", "--tlp", "red").out

    def test_for_somebody_else(self, filled: Path, sanjha: Sanjha) -> None:
        sanjha("token", "create", filled, "--name", "public", "--grant", "shared=read:clear", "--audience", "observer")
        assert sanjha("export", filled, "list-domain").out == "b.example\n"
        assert sanjha("export", filled, "list-domain", "--as", "public").out == ""
        assert "token list" in sanjha("export", filled, "list-domain", "--as", "nobody").err

    def test_confidence_and_reasons(self, filled: Path, sanjha: Sanjha) -> None:
        assert sanjha("export", filled, "list-domain", "--min-confidence", 50).out == ""
        assert "192.0.2.3" in sanjha("export", filled, "list-ipv4", "--include", "revoked,combined").out
        done = sanjha("export", filled, "list-ipv4", "--include", "everything")
        assert done.code == EXIT_WRONG_USE
        assert "revoked, expired" in done.err

    def test_a_file_is_there_whole(self, filled: Path, tmp_path: Path, sanjha: Sanjha) -> None:
        done = sanjha("export", filled, "csv", "--output", tmp_path / "x.csv", "--json")
        assert done.document["bytes"] == (tmp_path / "x.csv").stat().st_size
        assert sorted(path.name for path in tmp_path.iterdir()) == ["b.json", "pk", "x.csv"]
        assert sanjha("export", filled, "csv", "--output", tmp_path / "no" / "x.csv").code == EXIT_WRONG_USE

    def test_a_misp_feed_is_a_folder(self, filled: Path, tmp_path: Path, sanjha: Sanjha) -> None:
        stale = tmp_path / "feed" / "00000000-0000-4000-8000-000000000000.json"
        stale.parent.mkdir()
        stale.write_text("{}")
        (tmp_path / "feed" / "readme.json").write_text("{}")
        done = sanjha("export", filled, "misp-feed", "--output", tmp_path / "feed", "--json")
        names = {path.name for path in (tmp_path / "feed").iterdir()}
        manifest = json.loads((tmp_path / "feed" / "manifest.json").read_text())
        assert names == {"manifest.json", "hashes.csv", "readme.json", *(f"{each}.json" for each in manifest)}
        assert done.document["files"] == len(names) - 1
        sanjha("export", filled, "misp-feed", "--output", tmp_path / "feed.tar")
        with tarfile.open(tmp_path / "feed.tar") as packed:
            assert set(packed.getnames()) == names - {"readme.json"}

    def test_formats_are_listed(self, node: Path, sanjha: Sanjha) -> None:
        names = {each["name"] for each in sanjha("export", node, "--list", "--json").document}
        assert {"stix", "misp", "misp-feed", "csv", "list-ipv4", "suricata", "rpz", "sigma", "nftables"} <= names
        assert "list-ipv4" in sanjha("export", node, "paper").err


class TestLookup:
    def test_nothing_known_is_no_failure(self, node: Path, sanjha: Sanjha) -> None:
        done = sanjha("lookup", node, "192.0.2.1")
        assert (done.code, done.err) == (EXIT_DONE, "")
        assert "not known" in done.out

    def test_a_file_of_any_length(self, node: Path, tmp_path: Path, sanjha: Sanjha) -> None:
        sanjha("import", node, bundle(tmp_path / "b.json", indicator(1, "[domain-name:value = 'evil.example']")))
        lines = [f"198.51.100.{n % 256}" for n in range(12_000)] + [
            "hxxp://x",
            "",
            "EVIL[.]example.",
            "x" * 50_000,
            "\x1b[31m",
        ]
        done = sanjha("lookup", node, "-", "--json", stdin="\n".join(lines).encode() + b"\n\xff\n")
        results = done.document["results"]
        assert len(results) == 12_005
        assert [(each["canonical"], len(each["matches"])) for each in results if each.get("matches")] == [
            ("evil.example", 1)
        ]
        assert sanjha("lookup", node, "-", "--json", stdin=b"").document == {"results": []}

    def test_other_peoples_words_do_nothing_on_a_terminal(self, node: Path, tmp_path: Path, sanjha: Sanjha) -> None:
        named = indicator(1, "[domain-name:value = 'evil.example']", name="\x1b]0;owned\x07")
        sanjha("import", node, bundle(tmp_path / "b.json", named))
        assert "\x1b" not in sanjha("lookup", node, "evil.example", "\x1b[2J").out

    def test_as_somebody_else(self, node: Path, tmp_path: Path, sanjha: Sanjha) -> None:
        sanjha("token", "create", node, "--name", "peer", "--grant", "shared=read")
        hidden = indicator(1, "[domain-name:value = 'evil.example']", object_marking_refs=[RED])
        sanjha("import", node, bundle(tmp_path / "b.json", hidden))
        assert "1 object" in sanjha("lookup", node, "evil.example").out
        assert "not known" in sanjha("lookup", node, "evil.example", "--as", "peer").out
        assert "1 object" in sanjha("lookup", node, "evil.example", "--collection", "shared").out
