"""Typed identifiers."""

import uuid
from typing import NewType

StixId = NewType("StixId", str)  #: ``type--uuid``
CollectionId = NewType("CollectionId", str)  #: RFC 4122 version 4 UUID (TAXII 2.1, section 2)
StatusId = NewType("StatusId", str)  #: likewise


def new_uuid() -> str:
    """A random (version 4) UUID, as TAXII 2.1 asks of its identifiers."""
    return str(uuid.uuid4())


def is_uuid4(text: str) -> bool:
    """Whether ``text`` is a version 4 UUID in its canonical lower-case form."""
    try:
        return uuid.UUID(text).version == 4 and str(uuid.UUID(text)) == text
    except ValueError:
        return False
