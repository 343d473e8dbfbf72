"""What a node does by itself, one row a task. Each task runs in one process at a time (a lease in the store)."""

import logging
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from sanjha.errors import SanjhaError, Unavailable
from sanjha.exchange.feeds.asking import Ask
from sanjha.exchange.feeds.keeping import Feeds, due_feeds, find_feed
from sanjha.exchange.search import index_more
from sanjha.exchange.subscriptions import Subscriptions
from sanjha.ids import new_uuid
from sanjha.node.adapters.egress import Egress
from sanjha.node.assembly import Node
from sanjha.node.following import Following, is_live
from sanjha.node.lanes import Lanes
from sanjha.storage import leases

_LOG: Final = logging.getLogger("sanjha.tasks")
SECOND: Final = 1_000_000
LEASE: Final = 60 * SECOND  #: a dead process's tasks move on after this
DELIVERY_SECONDS: Final = 20.0  #: a webhook's receiver has so long
ANSWER_BYTES: Final = 64 * 1024  #: of a webhook's answer that are read
EAR_SECONDS: Final = 45.0  #: a peer's stream that is silent for three of its heartbeats is gone
BATCHES_A_TURN: Final = 20  #: then other subscriptions have their turn


class Task(NamedTuple):
    """``every``: seconds between runs; ``run`` answers whether there is more to do at once."""

    name: str
    every: float
    run: Callable[["Tasks"], bool]


class Tasks:
    """The node's own work, in a thread a task."""

    def __init__(self, node: Node, egress: Egress, feeds: Feeds, subscriptions: Subscriptions) -> None:
        self.node = node
        self.egress = egress
        self.feeds = feeds
        self.subscriptions = subscriptions
        self._holder = new_uuid()
        self._stop = threading.Event()
        self._ears = Egress(tuple(node.config.allow_private), read_timeout=EAR_SECONDS)
        self.following = Following(node, feeds, self._ears.fetch)
        self.deliveries = Lanes(
            "webhooks"
        )  # one a token: a receiver that is slow keeps only its own subscriber waiting
        self._threads = [
            threading.Thread(target=self._loop, args=(task,), name=task.name, daemon=True) for task in TASKS
        ]

    def start(self) -> None:
        """Begins; ``stop()`` ends after the piece of work in hand."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends every task and gives its leases back."""
        self._stop.set()
        self.following.stop(self._ears.close)
        for thread in self._threads:
            thread.join(timeout=10)
        self.deliveries.stop(10)
        for task in TASKS:
            try:
                leases.give_back(self.node.database, task.name, self._holder)
            except SanjhaError:
                return  # the store is gone; the leases run out by themselves

    @property
    def stopping(self) -> bool:
        """Whether ``stop()`` was called: long tasks look between pieces."""
        return self._stop.is_set()

    def _loop(self, task: Task) -> None:
        held_until = 0
        while not self._stop.is_set():
            try:
                now = self.node.now()
                if now > held_until - LEASE // 2:
                    if not leases.take(self.node.database, task.name, self._holder, now, LEASE):
                        self._stop.wait(5)
                        continue
                    held_until = now + LEASE
                more = task.run(self)
            except SanjhaError as error:
                _LOG.warning("%s: %s %s", task.name, error.public, error.facts)
                more = False
                self._stop.wait(5)
            except Exception:
                # A task must not end for good because of one bad record; the log has what happened.
                _LOG.exception("%s failed", task.name)
                more = False
                self._stop.wait(30)
            if not more:
                self._stop.wait(task.every)

    def post(self, url: str, headers: dict[str, str], body: bytes) -> None:
        """Delivers a webhook. Raises ``Unavailable`` unless the receiver answers with success."""
        ask = Ask(url, "POST", headers, body, max_bytes=ANSWER_BYTES, seconds=DELIVERY_SECONDS)
        with self.egress.fetch(ask) as answer:
            if not 200 <= answer.status < 300:
                raise Unavailable(f"the receiver answered {answer.status}")


def _webhooks(tasks: Tasks) -> bool:
    due: dict[int, list[int]] = {}
    for pk, token in tasks.subscriptions.due():
        due.setdefault(token, []).append(pk)
    for token, pks in due.items():
        tasks.deliveries.run(token, partial(_deliver, tasks, pks))
    return False


def _deliver(tasks: Tasks, pks: list[int]) -> None:
    for pk in pks:
        for _ in range(BATCHES_A_TURN):
            if tasks.stopping or not tasks.subscriptions.deliver(pk, tasks.post):
                break


def _feeds(tasks: Tasks) -> bool:
    with tasks.node.database.reading() as connection:
        due = due_feeds(connection, tasks.node.now())
        due = [name for name in due if not is_live(find_feed(connection, name))]
    for name in due:
        if tasks.stopping:
            return False
        run = tasks.feeds.run(name)
        if run.error:
            _LOG.warning("feed %s: %s", name, run.error)
        elif run.report.total:
            _LOG.info("feed %s: %d stored, %d refused", name, run.report.stored, run.report.refused)
    return False


def _following(tasks: Tasks) -> bool:
    tasks.following.refresh()
    return False


def _words(tasks: Tasks) -> bool:
    more = False
    for collection, _ in tasks.node.exchange.collections(tasks.node.own_actor()):
        more = index_more(tasks.node.database, collection.pk) or more
        time.sleep(0.01)  # taking in goes first
    return more


def _statuses(tasks: Tasks) -> bool:
    tasks.node.exchange.forget_statuses(tasks.node.now() - tasks.node.config.status_hours * 3_600 * SECOND)
    return False


TASKS: Final = (
    Task("webhooks", 0.2, _webhooks),
    Task("feeds", 0.2, _feeds),
    Task("following", 1.0, _following),
    Task("words", 1.0, _words),
    Task("statuses", 600.0, _statuses),
)


def feeds_of(node: Node, egress: Egress) -> Feeds:
    """The node's feeds over its guarded way out."""
    return Feeds(node.exchange, node.own_actor, egress.fetch, random.random)
