"""What we export, given to the programs that will read it: named-checkzone, nft, suricata.

Each gets ordinary rows and everything hostile that ``samples`` knows. nft works in a network namespace of its own, so
that no test can touch this machine's firewall.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from sanjha.formats import FORMATS, Row
from tests.unit.formats.samples import HOSTILE, ORDINARY, WORDS, rendered, row
from tools.peers import find

ROWS = pytest.mark.parametrize("rows", [ORDINARY, HOSTILE, ()], ids=["ordinary", "hostile", "none"])
NODES = pytest.mark.parametrize("node", ["CERT Lahore", "".join(WORDS[:-1])], ids=["plain", "hostile"])


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def program(name: str) -> Path:
    found = find(name)
    assert found is not None
    return found


def write(place: Path, format: str, rows: tuple[Row, ...], node: str = "node") -> Path:
    path = place / f"{format}{FORMATS[format].suffix}"
    path.write_text(rendered(FORMATS[format], rows, node)[0], encoding="utf-8")
    return path


def in_a_namespace(*script: str) -> str:
    """The output of ``script`` in an empty network namespace."""
    become_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    return run("unshare", "--net", *become_root, "sh", "-ec", "\n".join(script))


@pytest.mark.needs("named-checkzone")
@ROWS
@NODES
def test_named_checkzone_loads_the_zone(tmp_path: Path, rows: tuple[Row, ...], node: str) -> None:
    zone = write(tmp_path, "rpz", rows, node)
    dumped = tmp_path / "dumped"
    longest = "r" * 62  # MAX_ORIGIN octets on the wire
    output = run(program("named-checkzone"), "-i", "none", "-D", "-s", "full", "-o", dumped, longest, zone)
    assert "loaded serial 7" in output
    records = [line.split() for line in dumped.read_text().splitlines() if line and not line.startswith(";")]
    assert {record[3] for record in records} <= {"SOA", "NS", "CNAME"}
    assert all(record[4] == "." for record in records if record[3] == "CNAME")
    assert all(record[0].endswith(longest + ".") for record in records)
    assert len(records) == 2 + zone.read_text().count(" CNAME .\n")


@pytest.mark.needs("nft")
@ROWS
@NODES
def test_nft_checks_and_loads_the_sets(tmp_path: Path, rows: tuple[Row, ...], node: str) -> None:
    path = write(tmp_path, "nftables", rows, node)
    nft = program("nft")
    listed = json.loads(in_a_namespace(f"{nft} -c -f {path}", f"{nft} -f {path}", f"{nft} -j list ruleset"))
    things = [name for part in listed["nftables"] for name in part if name != "metainfo"]
    assert sorted(things) == ["set", "set", "table"]


@pytest.mark.needs("nft")
def test_a_second_file_replaces_the_first_whole(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = write(tmp_path / "a", "nftables", (row("ipv4", "192.0.2.1"), row("ipv6", "2001:db8::1")))
    many = tuple(row("ipv4", f"203.{i >> 8}.{i & 255}.7") for i in range(3_500))
    second = write(tmp_path / "b", "nftables", (row("cidr", "203.0.5.0/24"), row("cidr", "203.0.6.0/23"), *many))
    nft = program("nft")
    text = in_a_namespace(f"{nft} -f {first}", f"{nft} -f {second}", f"{nft} list ruleset")
    assert "192.0.2.1" not in text
    assert "2001:db8::1" not in text
    assert "203.0.5.0-203.0.7.255" in text  # merged over commands, with what lies inside
    assert len(re.findall(r"203\.\d+\.\d+\.7\b", text)) == 3_500 - 3


@pytest.mark.needs("suricata")
@ROWS
@NODES
def test_suricata_loads_every_rule(tmp_path: Path, rows: tuple[Row, ...], node: str) -> None:
    path = write(tmp_path, "suricata", rows, node)
    rules = path.read_text().count("\nalert ")
    output = run(program("suricata"), "-T", "-v", "-S", path, "-l", tmp_path)
    loaded = re.search(r"(\d+) rules successfully loaded, (\d+) rules failed", output)
    assert (loaded is None and rules == 0) or (loaded is not None and loaded.groups() == (str(rules), "0")), output
    assert "duplicate" not in output.lower()
