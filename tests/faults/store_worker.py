"""A process that writes to a store and says what was acknowledged: to be run beside others, and to be killed.

``python -m tests.faults.store_worker URL NUMBER MODE COLLECTION...``: ``flood`` writes batches of all sizes to the collections
in turn, ``endless`` goes on until it is killed, ``bounded`` can make no file larger than 1.5 MB until it has met that bound.
"""

import itertools
import random
import resource
import sys

from sanjha import clock
from sanjha.errors import Unavailable
from sanjha.exchange.intake import take_in
from sanjha.exchange.rules import Sender, SourceKind
from sanjha.exchange.service import source_key
from sanjha.stix.markings import Tlp
from sanjha.storage.engine import Database
from tests.store import indicator, marking, reading, ref

BATCHES = 40  #: of a flood
SMALL_FILE = 1_500_000  #: bytes
SHARE = 1_000_000  #: numbers of one worker
UNBOUNDED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def main(url: str, number: str, mode: str, *collections: str) -> None:
    """Writes; one line on standard output for each batch that was acknowledged."""
    database = Database(url)
    sender = Sender(1, source_key(database, SourceKind.IMPORT, number, 1), SourceKind.IMPORT, Tlp.RED)
    first, dice = int(number) * SHARE, random.Random(number)
    print("ready", flush=True)
    if mode == "bounded":
        resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_FILE, resource.RLIM_INFINITY))
    for turn in itertools.count():
        if turn == BATCHES and mode != "endless":
            return
        four, step = divmod(turn, 4)
        shelf, count = int(collections[four % len(collections)]), dice.choice([1, 1, 2, 7, 30])
        name = int(number) * SHARE + four
        # The first of four batches waits for a marking, whose definition comes with the third and opens it.
        refs = [ref("marking-definition", name)] if step == 0 else []
        objects = [indicator(each, refs=refs) for each in range(first, first + count)]
        if step == 2:
            objects.append(marking(name, "TLP:GREEN"))
        try:
            take_in(database, shelf, [reading(raw) for raw in objects], sender, clock.now())
        except Unavailable as error:
            print("unavailable", error.public, flush=True)
            resource.setrlimit(resource.RLIMIT_FSIZE, UNBOUNDED)
            take_in(database, shelf, [reading(raw) for raw in objects], sender, clock.now())
        print("stored", shelf, first, count, flush=True)
        first += count
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
