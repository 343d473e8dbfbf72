"""What the API stands on; the composition root puts it together."""

from typing import NamedTuple

from sanjha.access.credentials import Credentials
from sanjha.doors.quota import Quota
from sanjha.exchange.cursors import Cursors
from sanjha.exchange.exports import Exports
from sanjha.exchange.service import Exchange
from sanjha.exchange.speaking import Speaking
from sanjha.exchange.subscriptions import Post, Subscriptions
from sanjha.exchange.trees import Trees
from sanjha.exchange.warnings import Warnings


class Services(NamedTuple):
    """``post`` delivers a webhook; ``max_content_length`` (bytes) bounds what is posted."""

    exchange: Exchange
    credentials: Credentials
    quota: Quota
    cursors: Cursors
    speaking: Speaking
    warnings: Warnings
    exports: Exports
    trees: Trees
    subscriptions: Subscriptions
    post: Post
    title: str
    version: str
    max_content_length: int
