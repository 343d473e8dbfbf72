"""What accounting and marking need to know of a MISP event, beside its clean form."""

from typing import NamedTuple

import msgspec

from sanjha.formats.misp_fields import Raw
from sanjha.formats.misp_levels import Levels


class Attribute(msgspec.Struct):
    """One attribute, as accounting sees it."""

    uuid: str
    path: str
    kind: str
    value: str
    levels: Levels
    clean: Raw
    holder: str | None = None  #: UUID of the MISP object it belongs to
    deleted: bool = False
    comment: str = ""
    apart: bool = False  #: too costly for the converter: carried as an ``x-misp-attribute``


class Reference(NamedTuple):
    """A MISP object points at another record."""

    path: str
    source: str
    target: str


class Event(msgspec.Struct):
    """One event, ready to be converted."""

    uuid: str
    path: str
    clean: Raw
    created: int  #: microseconds: midnight of the event's date, which edits leave alone
    modified: int  #: microseconds: the event's timestamp
    levels: Levels
    attributes: list[Attribute]
    holders: dict[str, Levels]  #: MISP object -> its own levels and those of its attributes
    clusters: dict[str, Levels]  #: galaxy cluster -> levels
    reports: dict[str, Levels]  #: event reports and analyst data -> levels
    revoked: set[str]  #: UUIDs of deleted attributes and objects
    references: dict[str, Reference]  #: by UUID
    sightings: dict[str, str]  #: UUID of a sighting -> path
    author: str | None
    unreadable: int = 0  #: entries counted as attributes that could not be read at all
