"""From bytes to the store: read, batch, take in, report. Every way in (TAXII, files, feeds, forms) ends here."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Final

import msgspec
from sqlalchemy import Connection

from sanjha.exchange.intake import BATCH, Outcome, take_in
from sanjha.exchange.rules import Sender
from sanjha.stix.reading import Problem, Reading, read
from sanjha.storage.engine import Database

LISTED: Final = 1_000  #: problems and variants named in a report; beyond it they are counted

#: Patterns of one delivery that the OASIS parser may be asked about, when ours refuses: each costs milliseconds.
OPINIONS: Final = 100


class Report(msgspec.Struct):
    """What became of a delivery. ``problems`` and ``variants`` name the first ``LISTED`` of those counted."""

    stored: int = 0
    duplicates: int = 0
    variant_count: int = 0
    refused: int = 0
    problems: list[Problem] = []
    variants: list[Outcome] = []
    second_opinions: int = 0  #: patterns that ours refused and the OASIS parser was asked about
    loss_count: int = 0
    losses: list[Problem] = []  #: what a conversion could not carry over

    @property
    def total(self) -> int:
        """All that came, refused or not."""
        return self.stored + self.duplicates + self.variant_count + self.refused

    def refuse(self, problems: Iterable[Problem]) -> None:
        """Counts one refused object, with all that is wrong with it."""
        self.refused += 1
        self.problems.extend(islice(problems, max(0, LISTED - len(self.problems))))

    def lose(self, losses: Iterable[Problem]) -> None:
        """Counts what a conversion lost, and names the first."""
        for loss in losses:
            self.loss_count += 1
            if len(self.losses) < LISTED:
                self.losses.append(loss)

    def count(self, outcome: Outcome) -> None:
        """Counts one object that was read."""
        if outcome.result == "stored":
            self.stored += 1
        elif outcome.result == "duplicate":
            self.duplicates += 1
        else:
            self.variant_count += 1
            if len(self.variants) < LISTED:
                self.variants.append(outcome)


def receive(
    database: Database,
    collection: int,
    objects: Iterable[bytes],
    sender: Sender,
    now: Callable[[], int],
    *,
    bundle_spec: str | None = None,
    report: Report | None = None,
    last: Callable[[Connection, Report], None] | None = None,
    progress: Callable[[int], None] | None = None,
    patient: bool = True,
) -> Report:
    """Reads and stores ``objects``; the good ones are kept, the bad ones reported, and memory stays flat.

    ``last`` runs in the transaction of the final batch (always one, even for nothing): a status or a cursor stands exactly
    when the objects do. ``progress`` is told the number of objects done so far. Not ``patient``: once ``LISTED`` objects are
    refused, whatever is not sound at first sight is refused unexplained, which costs a tenth.
    """
    report = report or Report()
    batches = _batches(objects)
    batch = next(batches, [])
    while True:
        following = next(batches, None)
        readings: list[Reading] = []
        for raw in batch:
            brief = not patient and report.refused >= LISTED
            reading = read(raw, bundle_spec=bundle_spec, brief=brief)
            if not isinstance(reading, Reading) and report.second_opinions < OPINIONS and _only_its_pattern(reading):
                report.second_opinions += 1
                reading = read(raw, bundle_spec=bundle_spec, second_opinion=True)
            if isinstance(reading, Reading):
                readings.append(reading)
            else:
                report.refuse(reading)
        if following is None and last is not None:
            # The report must be complete inside the transaction, so the outcomes are counted there.
            take_in(database, collection, readings, sender, now(), also=partial(_finish, report=report, last=last))
        else:
            for outcome in take_in(database, collection, readings, sender, now()):
                report.count(outcome)
        if progress is not None:
            progress(report.total)
        if following is None:
            return report
        batch = following


def _finish(
    connection: Connection, outcomes: list[Outcome], *, report: Report, last: Callable[[Connection, Report], None]
) -> None:
    for outcome in outcomes:
        report.count(outcome)
    last(connection, report)


def _only_its_pattern(problems: tuple[Problem, ...]) -> bool:
    return all(problem.path == "$.pattern" for problem in problems)


def _batches(objects: Iterable[bytes]) -> Iterator[list[bytes]]:
    iterator = iter(objects)
    while batch := list(islice(iterator, BATCH)):
        yield batch
