"""What the node counts, for Prometheus. Numbers only: no value, no name, no marking of anything held."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import text

from sanjha.storage.engine import Database


class Metrics:
    """The registry of one process."""

    def __init__(self, database: Database, version: str) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "sanjha_requests", "Requests answered", ["door", "method", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "sanjha_request_seconds",
            "Time to answer",
            ["door"],
            buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60),
            registry=self.registry,
        )
        self.registry.register(_Store(database, version))


class _Store(Collector):
    def __init__(self, database: Database, version: str) -> None:
        self._database = database
        self._version = version

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        about = GaugeMetricFamily("sanjha_info", "The program", labels=["version", "store"])
        about.add_metric([self._version, self._database.kind], 1)
        yield about
        newest = GaugeMetricFamily(
            "sanjha_collection_last_added_seconds", "When a collection last grew", labels=["collection"]
        )
        feeds = GaugeMetricFamily("sanjha_feed_next_run_seconds", "When a feed runs next", labels=["feed"])
        waiting = GaugeMetricFamily("sanjha_dead_letters", "Webhook deliveries given up")
        with self._database.reading() as connection:
            for row in connection.execute(text("SELECT id, last_added FROM collection")):
                newest.add_metric([row[0]], row[1] / 1e6)
            for row in connection.execute(text("SELECT name, next_run FROM feed")):
                feeds.add_metric([row[0]], row[1] / 1e6)
            waiting.add_metric([], connection.execute(text("SELECT count(*) FROM dead_letter")).scalar_one())
        yield newest
        yield feeds
        yield waiting
