"""The real program in a shell's company: pipes that close, signals, bytes on standard output, and the demonstration."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sanjha.cli.outcome import EXIT_NO_READER
from tests.running import PROGRAM, sanjha, until

SCRIPT = Path(sys.executable).with_name("sanjha")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("program") / "pk"
    sanjha("init", folder, "--member", "pk")
    (folder.parent / "l.txt").write_text("".join(f"198.51.{n // 256}.{n % 256}\n" for n in range(30_000)))
    sanjha("import", folder, folder.parent / "l.txt")
    return folder


def test_the_script_and_the_module_are_one_program() -> None:
    told = [subprocess.run([*each, "--help"], capture_output=True, check=True).stdout for each in ([SCRIPT], PROGRAM)]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "arguments", [["export", "{}", "list-ipv4"], ["export", "{}", "stix"], ["lookup", "{}", "-", "--json"]]
)
def test_a_reader_that_goes_ends_it_quietly(arguments: list[str], node: Path) -> None:
    command = [*PROGRAM, *(each.format(node) for each in arguments)]
    with (node.parent / "l.txt").open("rb") as values:
        process = subprocess.Popen(command, stdin=values, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(100)
        process.stdout.close()
        told = process.stderr.read()
        process.stderr.close()
        assert process.wait(60) == EXIT_NO_READER
    assert told == b""


def test_an_export_is_bytes(node: Path) -> None:
    done = subprocess.run([*PROGRAM, "export", str(node), "list-ipv4"], capture_output=True, check=True)
    lines = done.stdout.splitlines()
    assert (len(lines), done.stdout.count(b"\r"), done.stderr) == (30_000, 0, b"")


def test_values_come_by_a_pipe(node: Path) -> None:
    values = (node.parent / "l.txt").read_bytes() + b"192.0.2.1\n"
    done = subprocess.run([*PROGRAM, "lookup", str(node), "-"], input=values, capture_output=True, check=True)
    assert b"30,000 known, 1 not known" in done.stderr


def test_an_interrupt_is_told_in_a_word(node: Path) -> None:
    process = subprocess.Popen([*PROGRAM, "lookup", str(node), "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert until(lambda: Path(f"/proc/{process.pid}/wchan").exists() and _waits(process.pid), 30)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=30)[1]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert told.strip() == b"stopped"


def _waits(pid: int) -> bool:
    """Whether a process holds the store open, and so has come to its reading."""
    return any("store.db" in os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir())


def test_a_full_disk_is_told(node: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec {' '.join(PROGRAM)} export {node} stix > /dev/full"], capture_output=True, check=False
    )
    assert done.returncode == 3
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr


class TestDemo:
    def test_the_story(self) -> None:
        done = subprocess.run([*PROGRAM, "demo", "--once"], capture_output=True, text=True, check=False, timeout=110)
        assert done.returncode == 0, done.stderr
        for word in ("ms after pk acknowledged it", "did not travel", "+198.51.100.23", "+alert ip", "The sighting goes back",
                     "curl -s", "/api/v1/exports/list-ipv4"):  # fmt: skip
            assert word in done.stdout

    def test_what_was_measured_and_that_it_stays_until_it_is_told(self, tmp_path: Path) -> None:
        command = [*PROGRAM, "demo", "--folder", str(tmp_path / "demo"), "--json"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        assert process.stdout is not None
        try:
            document, depth = "", 0
            for line in process.stdout:
                document += line
                depth += line.count("{") - line.count("}")
                if depth == 0:
                    break
            story = json.loads(document)
            assert story["story"]["red_travelled"] is False
            assert story["story"]["changed"]["list-ipv4"] == ["+198.51.100.23"]
            assert process.poll() is None
            folder = Path(story["nodes"][1]["folder"])
            assert "1 object" in sanjha("lookup", folder, "198.51.100.23")
        finally:
            process.send_signal(signal.SIGINT)
            told = process.communicate(timeout=60)[1]
        assert process.returncode == 0, told
        assert "Traceback" not in told

    def test_a_folder_in_use_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "letter").write_text("mine")
        done = subprocess.run(
            [*PROGRAM, "demo", "--folder", str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert "not empty" in done.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["letter"]
