"""``sanjha feed``: other people's intelligence, fetched on a schedule."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click
import msgspec

from sanjha.cli.importing import first_collection
from sanjha.cli.outcome import (
    EXIT_FAILURE,
    EXIT_SOME_REFUSED,
    folder_argument,
    json_option,
    problem_line,
    tabulated,
    tell,
)
from sanjha.cli.progress import progress
from sanjha.cli.secret_options import secret_option
from sanjha.errors import Malformed, WrongUse
from sanjha.exchange.collections import list_collections
from sanjha.exchange.feeds import urls
from sanjha.exchange.feeds.feed import LIVE_EVERY, MIN_EVERY, Auth, Feed, Kind, Options
from sanjha.exchange.feeds.keeping import Kept, Run, add_feed, list_feeds, remove_feed
from sanjha.node.adapters.egress import Egress
from sanjha.node.assembly import Node
from sanjha.node.tasks import feeds_of
from sanjha.stix.timestamps import render

SHOWN: Final = 20  #: problems that a person is shown; --json has them all
_KINDS: Final = ("taxii", "misp", "csv", "list", "stix")


@click.group()
def feed() -> None:
    """Follow other people's intelligence.

    A serving node fetches its feeds by itself; "feed run" fetches now.
    """


@feed.command("add")
@folder_argument
@click.argument("name")
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("url")
@click.option("--collection", "ours", metavar="COLLECTION", help="Where it goes: id, alias or title; else the first.")
@click.option("--remote-collection", metavar="NAME", help="TAXII: which collection, where URL is not its own.")
@secret_option("token", "SANJHA_FEED_TOKEN", "Bearer token; for MISP its authorization key.")
@click.option("--user", envvar="SANJHA_FEED_USER", show_envvar=True, help="User name for HTTP Basic.")
@secret_option("password", "SANJHA_FEED_PASSWORD", "Password of --user.")
@secret_option("header", "SANJHA_FEED_HEADER", "Another header that proves who we are: NAME=VALUE.")
@click.option("--mapping", metavar="NAME", help="How to read CSV (see: sanjha mapping).")
@click.option("--every", type=click.IntRange(MIN_EVERY), default=None, help="Seconds between runs; 3600 without it.")
@click.option("--live", is_flag=True, help=f"TAXII: follow the peer's stream; without one, ask each {LIVE_EVERY} s.")
@click.option("--send-back", is_flag=True, help="TAXII: our sightings of what it brings go back to it.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="TAXII: only this STIX type; again for more.")
@click.option("--all-versions", is_flag=True, help="TAXII: older versions of each object too.")
@json_option
def add(
    folder: Path,
    name: str,
    kind: Kind,
    url: str,
    ours: str | None,
    remote_collection: str | None,
    token: str | None,
    user: str | None,
    password: str | None,
    header: str | None,
    mapping: str | None,
    every: int | None,
    live: bool,
    send_back: bool,
    types: tuple[str, ...],
    all_versions: bool,
    as_json: bool,
) -> None:
    """Follow URL under NAME. KIND: taxii, misp, csv, list (of values) or stix.

    A private or loopback address is reached only where the node's settings allow it (allow_private in node.toml).
    """
    if kind != "taxii" and (remote_collection or live or send_back or types or all_versions):
        raise WrongUse("--remote-collection, --live, --send-back, --type and --all-versions are for TAXII feeds")
    if urlsplit(url).username is not None:
        raise WrongUse("no user or password in the URL: use --user and --password, or --token")
    try:
        urls.parse(url)
    except Malformed as error:
        raise WrongUse(error.public) from None
    options = Options(types=types, versions="all" if all_versions else "last", live=live)
    made = Feed(
        name,
        kind,
        url,
        remote_collection,
        _auth(kind, token, user, password, header),
        mapping,
        every if every is not None else 3_600,
        options,
    )
    made.auth.headers()  # says now what could not be sent later
    with Node(folder) as node:
        target = first_collection(node, ours)
        with node.database.writing() as connection:
            add_feed(connection, made, target, send_back=send_back)
    tell({"name": name, "kind": kind, "url": url}, [f"{name} follows {url}", f"Try it: sanjha feed run {folder} {name}"],
         as_json=as_json)  # fmt: skip


@feed.command("list")
@folder_argument
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """List the feeds, and how their last runs ended; never their secrets."""
    with Node(folder) as node, node.database.reading() as connection:
        titles = {c.pk: c for c in list_collections(connection)}
        found = list_feeds(connection)
        now = node.now()
    shown = [_shown(each, titles) for each in found]
    rows = [
        [
            each.feed.name,
            each.feed.kind,
            titles[each.collection].title if each.collection in titles else "(gone)",
            _when(each, now),
            each.state.last_error or ("" if each.state.last_run else "not run yet"),
            each.feed.url,
        ]
        for each in found
    ]
    lines = tabulated(("NAME", "KIND", "INTO", "NEXT RUN", "LAST ERROR", "URL"), rows, nothing="no feeds yet")
    tell(shown, lines, as_json=as_json)


@feed.command("remove")
@folder_argument
@click.argument("name")
def remove(folder: Path, name: str) -> None:
    """Stop following NAME; what it brought stays."""
    with Node(folder) as node, node.database.writing() as connection:
        remove_feed(connection, name)


@feed.command("run")
@folder_argument
@click.argument("names", nargs=-1)
@json_option
def run(folder: Path, names: tuple[str, ...], as_json: bool) -> None:
    """Fetch the feeds named, or all, now.

    Exit code 1 where some of what came was refused, 3 where a feed failed.
    """
    runs: list[tuple[str, Run]] = []
    with Node(folder) as node:
        with node.database.reading() as connection:
            known = [each.feed.name for each in list_feeds(connection)]
        for name in names:
            if name not in known:
                raise WrongUse(f"no feed is named {name!r}; there are: {', '.join(known) or 'none'}")
        egress = Egress(tuple(node.config.allow_private))
        try:
            feeds = feeds_of(node, egress)
            for name in names or known:
                with progress(name, quiet=as_json) as done:
                    runs.append((name, feeds.run(name, progress=done)))
        finally:
            egress.close()
    lines = [line for name, each in runs for line in _told(name, each)] or ["no feeds yet"]
    tell({"feeds": [_ran(name, each) for name, each in runs]}, lines, as_json=as_json)
    if any(each.error for _, each in runs):
        raise click.exceptions.Exit(EXIT_FAILURE)
    if any(each.report.refused for _, each in runs):
        raise click.exceptions.Exit(EXIT_SOME_REFUSED)


def _auth(kind: Kind, token: str | None, user: str | None, password: str | None, header: str | None) -> Auth:
    if sum(given is not None for given in (token, user, header)) > 1:
        raise WrongUse("one of --token, --user with --password, and --header proves who we are, not two")
    if (user is None) != (password is None):
        raise WrongUse("--user and --password go together")
    if user is not None and password is not None:
        return Auth("basic", user, password)
    if header is not None:
        name, equals, value = header.partition("=")
        if not equals:
            raise WrongUse("--header is written NAME=VALUE")
        return Auth("header", name, value)
    if token is not None:
        # MISP reads its key bare, without the word "Bearer".
        return Auth("header", "Authorization", token) if kind == "misp" else Auth("bearer", "", token)
    return Auth()


def _when(kept: Kept, now: int) -> str:
    if kept.state.next_run <= now:
        return "now"
    return f"in {(kept.state.next_run - now) // 1_000_000:,} s"


def _shown(kept: Kept, titles: dict[int, Any]) -> dict[str, Any]:
    feed, state = kept.feed, kept.state
    return {
        "name": feed.name,
        "kind": feed.kind,
        "url": feed.url,
        "collection": titles[kept.collection].id if kept.collection in titles else None,
        "remote_collection": feed.collection,
        "authentication": feed.auth.scheme,
        "mapping": feed.mapping,
        "every": feed.every,
        "live": feed.options.live,
        "send_back": kept.send_back,
        "types": list(feed.options.types),
        "next_run": render(state.next_run),
        "last_run": None if state.last_run is None else render(state.last_run),
        "last_success": None if state.last_ok is None else render(state.last_ok),
        "last_error": state.last_error,
        "failures": state.failures,
        "runs": state.runs,
        "objects": state.objects,
        "requests": state.requests,
    }


def _ran(name: str, run: Run) -> dict[str, Any]:
    report = run.report
    return {
        "feed": name,
        "error": run.error,
        "requests": run.requests,
        "stored": report.stored,
        "duplicates": report.duplicates,
        "variants": report.variant_count,
        "refused": report.refused,
        "losses": report.loss_count,
        "sent_back": run.sent_back,
        "problems": report.problems,
        "loss_list": report.losses,
        "troubles": msgspec.to_builtins(run.troubles),
    }


def _told(name: str, run: Run) -> list[str]:
    report = run.report
    lines = [] if run.error is None else [f"{name}: FAILED: {run.error}"]
    plural = "request" if run.requests == 1 else "requests"
    lines.append(
        f"{name}: {report.stored:,} stored, {report.duplicates:,} known already, {report.variant_count:,} variants,"
        f" {report.refused:,} refused, {report.loss_count:,} losses in conversion; {run.requests:,} {plural}"
        + (f"; {run.sent_back:,} sightings sent back" if run.sent_back else "")
    )
    lines += [f"  note: {trouble.message}; {trouble.remedy} [{trouble.rule}]" for trouble in run.troubles[:SHOWN]]
    lines += [problem_line("refused", each) for each in report.problems[:SHOWN]]
    if len(report.problems) > SHOWN:
        lines.append(f"  … {len(report.problems) - SHOWN:,} more lines with --json")
    return lines
