"""Following other people's intelligence: what is new there comes here, once, whatever happens on the way."""

from collections.abc import Iterator

from sanjha.exchange.feeds import files, misp, taxii
from sanjha.exchange.feeds.asking import Fetch
from sanjha.exchange.feeds.feed import Batch, Feed


def pull(feed: Feed, cursor: bytes | None, fetch: Fetch, now: int) -> Iterator[Batch]:
    """One run of ``feed`` from ``cursor`` (None: from the start); ``now`` in microseconds.

    Store each batch and its cursor in one transaction. Raises ``Unavailable``, ``Refused``, ``NotFound``,
    ``WrongUse`` or ``Malformed``; the batches that came before are good.
    """
    match feed.kind:
        case "taxii":
            return taxii.pull(feed, cursor, fetch, now)
        case "misp":
            return misp.pull(feed, cursor, fetch, now)
        case "csv" | "list" | "stix":
            return files.pull(feed, cursor, fetch, now)
