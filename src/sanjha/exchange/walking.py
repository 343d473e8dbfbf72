"""Walking over several collections at once, each in the order in which its objects were added.

``date_added`` rises in commit order within a collection and not across them, so a place in such a walk is a place in each
collection: whoever comes back with it misses nothing.
"""

from typing import Final, NamedTuple

from sanjha.errors import Refused
from sanjha.exchange.pages import Entry, Filter, read_page
from sanjha.exchange.stream import Position
from sanjha.exchange.visibility import Window
from sanjha.storage.engine import Database

#: A place names every collection, and has to fit into a cursor and an HTTP header.
MOST_COLLECTIONS: Final = 200


class Step(NamedTuple):
    """(collection, entry) pairs, the place behind them, and whether anything that this asker may see comes after it."""

    entries: list[tuple[int, Entry]]
    position: Position
    more: bool


def walk(database: Database, view: Window, wanted: Filter, position: Position, after: int, limit: int) -> Step:
    """At most ``limit`` entries: the rest of the first collection, then the next. ``after`` (microseconds): where a
    collection begins that ``position`` does not name.

    Raises ``Refused`` for more collections than a place can name.
    """
    bounded(view)
    entries: list[tuple[int, Entry]] = []
    behind = dict(position)
    for collection, ceiling in view.ceilings:
        one = Window(view.organisation, ((collection, ceiling),))
        since = position.get(collection, after)
        if len(entries) == limit:  # only whether there is more
            if read_page(database, one, wanted, since, 1, bodies=False).entries:
                return Step(entries, behind, True)
            continue
        page = read_page(database, one, wanted, since, limit - len(entries))
        entries += [(collection, entry) for entry in page.entries]
        if page.entries:
            behind[collection] = page.entries[-1].date_added
        if page.more:
            return Step(entries, behind, True)
    return Step(entries, behind, False)


def bounded(view: Window) -> None:
    """Raises ``Refused`` for more collections than a place can name."""
    if len(view.ceilings) > MOST_COLLECTIONS:
        raise Refused(
            f"you read {len(view.ceilings)} collections, which is too many at once: name up to {MOST_COLLECTIONS} of them",
            rule="exchange.walk.collections",
        )
