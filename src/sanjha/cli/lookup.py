"""``sanjha lookup``: what is known of an address, a domain, a hash?"""

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import click
import msgspec

from sanjha.access.policy import Actor
from sanjha.access.tokens import actor_named
from sanjha.cli.outcome import folder_argument, printable
from sanjha.exchange.collections import find_collection
from sanjha.exchange.values import LONGEST_VALUE, MOST_VALUES, Answer
from sanjha.node.assembly import Node

SHOWN: Final = 10  #: objects of one value that a person is shown; --json has up to a hundred


@click.command()
@folder_argument
@click.argument("values", nargs=-1, required=True, metavar="VALUE…|-")
@click.option("--collection", "names", multiple=True, metavar="COLLECTION", help="Only in this one; again for more.")
@click.option("--as", "token", metavar="TOKEN-NAME", help="What the holder of this token would be told.")
@click.option("--warning-lists", is_flag=True, help="Also say which lists of known good values name it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def lookup(
    folder: Path, values: tuple[str, ...], names: tuple[str, ...], token: str | None, warning_lists: bool, as_json: bool
) -> None:
    """Look values up: what is known of them?

    Addresses, networks, domains, URLs, e-mail addresses, hashes and file names; hxxp and [.] are welcome. "-" reads one value
    a line from standard input, however many. The exit code is 0, too, when nothing is known.
    """
    asked = _lines() if values == ("-",) else iter(values)
    with Node(folder) as node:
        with node.database.reading() as connection:
            actor = node.own_actor() if token is None else actor_named(connection, token)
            collections = [find_collection(connection, name).id for name in names]
        hits = None
        if warning_lists:
            from sanjha.exchange.warnings import Warnings

            hits = Warnings(node.database).current()[1].hits
        told = _answers(node, actor, asked, collections)
        if hits is not None:
            told = ((a if a.kind is None else _with(a, hits(a.kind, a.canonical or ""))) for a in told)
        if as_json:
            _print_json(told)
        else:
            _print_table(told)


def _answers(node: Node, actor: Actor, asked: Iterator[str], collections: list[str]) -> Iterator[Answer]:
    while chunk := list(islice(asked, MOST_VALUES)):
        yield from node.exchange.look_up(actor, chunk, collections)


def _with(answer: Answer, lists: tuple[str, ...]) -> Answer:
    answer.warning_lists = lists
    return answer


def _lines() -> Iterator[str]:
    """Standard input, a value a line; of an endless line only as much as a value may have."""
    source = sys.stdin.buffer
    while raw := source.readline(4 * LONGEST_VALUE + 1):
        if len(raw) > 4 * LONGEST_VALUE and not raw.endswith(b"\n"):
            while (rest := source.readline(1 << 16)) and not rest.endswith(b"\n"):
                pass
        text = raw.decode("utf-8", "replace").strip()
        if text:
            yield text


def _print_json(answers: Iterable[Answer]) -> None:
    encode, before = msgspec.json.Encoder().encode, '{"results":[\n'
    for answer in answers:
        sys.stdout.write(before + encode(answer).decode())
        before = ",\n"
    sys.stdout.write("\n]}\n" if before == ",\n" else '{"results":[]}\n')
    sys.stdout.flush()


def _print_table(answers: Iterable[Answer]) -> None:
    known = unknown = unread = 0
    for answer in answers:
        value = printable(answer.canonical or answer.value)
        if answer.problem is not None:
            unread += 1
            print(f"{value[:60]:40} not looked up: {answer.problem}")
        elif not answer.matches:
            unknown += 1
            print(f"{value:40} {answer.kind:10} not known{_listed(answer)}")
        else:
            known += 1
            many = f"{len(answer.matches)}{'+' if answer.more else ''}"
            print(f"{value:40} {answer.kind:10} {many} object{'' if many == '1' else 's'}{_listed(answer)}")
            for match in answer.matches[:SHOWN]:
                marks = [match.tlp, *(["revoked"] if match.revoked else []), *([] if match.alone else ["combined"])]
                network = f" in {match.network}" if match.network else ""
                print(
                    f"    {match.modified[:10]}  {' '.join(marks):20} {match.id}{network}  {printable(match.name or '')}"
                )
            if len(answer.matches) > SHOWN:
                print(f"    … {len(answer.matches) - SHOWN} more with --json")
    if known + unknown + unread > 1:
        print(
            f"{known:,} known, {unknown:,} not known" + (f", {unread:,} no values" if unread else ""), file=sys.stderr
        )
    sys.stdout.flush()


def _listed(answer: Answer) -> str:
    return f"  (known good: {', '.join(map(printable, answer.warning_lists))})" if answer.warning_lists else ""
