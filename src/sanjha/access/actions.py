"""Everything that somebody may ask to do, each named once."""

from enum import StrEnum


class Action(StrEnum):
    """An action; policy.py says who may."""

    READ_OBJECTS = "objects.read"
    WRITE_OBJECTS = "objects.write"
    DELETE_OBJECTS = "objects.delete"
    LOOK_UP = "values.look-up"
    SEARCH = "objects.search"
    EXPORT = "objects.export"
    FOLLOW_STREAM = "objects.stream"
    REPORT_SIGHTING = "sightings.report"
    PROPOSE_FALSE_POSITIVE = "false-positives.propose"
    SUBSCRIBE = "subscriptions.own"
    WATCH_OWN = "watches.own"
    READ_STATUS = "status.read"
    READ_VARIANTS = "variants.read"
    MANAGE_FEEDS = "feeds.manage"
    MANAGE_TOKENS = "tokens.manage"
    MANAGE_COLLECTIONS = "collections.manage"
    MANAGE_WARNING_LISTS = "warning-lists.manage"
