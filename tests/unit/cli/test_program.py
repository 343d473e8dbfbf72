"""The program as a whole: its list of commands, its errors, its exit codes."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from sanjha.cli import commands as group
from sanjha.cli import run
from sanjha.cli.commands import COMMANDS, EXIT_CODES
from sanjha.cli.outcome import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_NO_READER, EXIT_WRONG_USE
from tests.unit.cli.conftest import Sanjha

CONTEXT = click.Context(group, info_name="sanjha")


def _each(found: click.Group = group) -> list[tuple[str, click.Command]]:
    pairs = []
    for name in found.list_commands(CONTEXT):
        command = found.get_command(CONTEXT, name)
        assert command is not None
        pairs.append((name, command))
        if isinstance(command, click.Group):
            pairs += [(f"{name} {inner}", each) for inner, each in _each(command)]
    return pairs


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_each_command_says_of_itself(name: str) -> None:
    command = group.get_command(CONTEXT, name)
    assert command is not None
    assert command.name == name
    assert (command.help or "").strip().startswith(COMMANDS[name][2])


@pytest.mark.parametrize(("name", "command"), _each())
def test_every_command_has_help_with_its_exit_codes(name: str, command: click.Command) -> None:
    assert command.help, name
    assert command.epilog == EXIT_CODES
    for option in command.params:
        if isinstance(option, click.Option) and option.name != "help":
            assert option.help or option.name in _PLAIN, f"{name} {option.name} has no help"


#: Options whose name says it all.
_PLAIN = {"title", "description", "role", "encoding", "default_confidence", "default_tlp"}

_TELL_NOTHING = {
    "serve", "collection remove", "token revoke", "feed remove", "mapping show", "mapping remove", "warning-list remove",
}  # fmt: skip


def test_every_command_that_reports_has_json() -> None:
    without = {
        name
        for name, command in _each()
        if not isinstance(command, click.Group) and not any("--json" in param.opts for param in command.params)
    }
    assert without == _TELL_NOTHING


def test_the_list_of_commands_loads_none_of_them() -> None:
    code = (
        "import sys; from sanjha.cli import run; run(['--help']);"
        "heavy = {'sqlalchemy', 'alembic', 'litestar', 'granian', 'msgspec._core', 'rich', 'cryptography'} & set(sys.modules);"
        "sys.exit(', '.join(heavy - {'msgspec._core'}) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "lookup" in done.stdout


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("lookup", "alembic litestar granian rich misp_stix_converter httpx httpcore pymisp"),
        ("exporting", "alembic litestar granian misp_stix_converter pymisp"),
        ("init", "alembic litestar granian misp_stix_converter pymisp"),
        ("feed", "alembic litestar granian misp_stix_converter pymisp"),
    ],
)
def test_a_command_loads_what_it_needs(module: str, unwanted: str) -> None:
    code = f"import sys, sanjha.cli.{module}; sys.exit(', '.join(set({unwanted.split()!r}) & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_command_says_what_may_be_meant(sanjha: Sanjha) -> None:
    done = sanjha("lokup")
    assert done.code == EXIT_WRONG_USE
    assert "did you mean 'lookup'" in done.err
    assert "see: sanjha --help" in sanjha("xyzzy").err


@pytest.mark.parametrize("arguments", [[], ["feed"], ["lookup"], ["feed", "add", "x", "y"], ["export"]])
def test_too_little_is_wrong_use(arguments: list[str], sanjha: Sanjha) -> None:
    done = sanjha(*arguments)
    assert done.code == EXIT_WRONG_USE
    assert "Usage:" in done.err


@pytest.mark.parametrize(
    "arguments", [["lookup", "192.0.2.1"], ["fsck"], ["feed", "list"], ["config", "show"], ["token", "list"]]
)
def test_a_folder_without_a_node_says_how_to_make_one(arguments: list[str], tmp_path: Path, sanjha: Sanjha) -> None:
    where = 2 if arguments[0] in ("feed", "config", "token") else 1
    done = sanjha(*arguments[:where], tmp_path, *arguments[where:])
    assert done.code == EXIT_WRONG_USE
    assert "sanjha init" in done.err
    assert "Traceback" not in done.err


class TestUnexpected:
    """No traceback, ever, unless it is asked for."""

    @pytest.fixture(autouse=True)
    def _broken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SANJHA_DEBUG", raising=False)
        self.monkeypatch = monkeypatch

    def _raise(self, error: BaseException) -> None:
        def load(_: Path) -> None:
            raise error

        self.monkeypatch.setattr(import_module("sanjha.node.config"), "load", load)

    def test_one_line_with_an_id(self, sanjha: Sanjha) -> None:
        self._raise(ZeroDivisionError("secret of the data"))
        done = sanjha("config", "show", "x")
        assert done.code == EXIT_FAILURE
        assert done.err.count("\n") == 1
        assert "internal error " in done.err
        assert "(ZeroDivisionError)" in done.err
        assert "--debug" in done.err
        assert "secret" not in done.err

    def test_the_traceback_on_demand(self, sanjha: Sanjha) -> None:
        self.monkeypatch.setenv("SANJHA_DEBUG", "1")
        self._raise(ZeroDivisionError())
        assert "Traceback" in sanjha("config", "show", "x").err

    def test_debug_is_for_this_run(self, sanjha: Sanjha) -> None:
        self._raise(ZeroDivisionError())
        assert "Traceback" in sanjha("--debug", "config", "show", "x").err
        assert "Traceback" not in sanjha("config", "show", "x").err

    def test_the_system_says_no(self, sanjha: Sanjha) -> None:
        self._raise(OSError(28, "No space left on device", "/somewhere"))
        done = sanjha("config", "show", "x")
        assert done.code == EXIT_FAILURE
        assert "No space left on device: /somewhere" in done.err

    def test_an_interruption(self, sanjha: Sanjha) -> None:
        self._raise(KeyboardInterrupt())
        assert sanjha("config", "show", "x").code == EXIT_INTERRUPTED

    def test_a_reader_that_went(self, sanjha: Sanjha) -> None:
        self._raise(BrokenPipeError(32, "Broken pipe"))
        done = sanjha("config", "show", "x")
        assert done.code == EXIT_NO_READER
        assert done.err == ""


def test_a_damaged_store_is_told_in_one_line(node: Path, sanjha: Sanjha) -> None:
    (node / "store.db").write_bytes(b"this is no database" * 1_000)
    for suffix in ("-wal", "-shm"):
        (node / f"store.db{suffix}").unlink(missing_ok=True)
    done = sanjha("lookup", node, "192.0.2.1")
    assert done.code == EXIT_FAILURE
    assert "Traceback" not in done.err
    assert "restore a backup" in done.err


def test_run_gives_the_code_of_a_good_end() -> None:
    assert run(["--version"]) == 0
