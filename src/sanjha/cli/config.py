"""``sanjha config``: the settings of a node, those in force and those chosen."""

from pathlib import Path

import click
import msgspec

from sanjha.cli.outcome import folder_argument, json_option, tell
from sanjha.node import config as settings


@click.group()
def config() -> None:
    """Show the settings of a node."""


@config.command("show")
@folder_argument
@json_option
def show(folder: Path, as_json: bool) -> None:
    """Show every setting in force; change them in node.toml and start the node again.

    Passwords and tokens are not shown.
    """
    found = settings.load(folder)
    shown = msgspec.to_builtins(found)
    shown["database"] = _without_password(settings.database_url(folder, found))
    shown["metrics_token"] = "(set)" if found.metrics_token else ""
    chosen = settings.chosen(found)
    lines = [f"# {folder / settings.FILE}; lines with # are at their default"]
    for name, value in shown.items():
        word = "true" if value is True else "false" if value is False else msgspec.json.encode(value).decode()
        lines.append(f"{'' if name in chosen else '# '}{name} = {word}")
    tell(shown, lines, as_json=as_json)


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True)
