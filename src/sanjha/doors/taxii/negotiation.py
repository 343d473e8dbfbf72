"""Media types (TAXII 2.1, section 1.6.8; RFC 9110, section 12.5.1). Pure."""

import re
from typing import Final

MEDIA_TYPE: Final = "application/taxii+json;version=2.1"
STIX_TYPES: Final = ("application/stix+json;version=2.1", "application/stix+json;version=2.0")
LONGEST: Final = 4_096  #: characters of an Accept header that are read
_QUALITY: Final = re.compile(r"[01](\.[0-9]{0,9})?")  # RFC 9110, section 12.4.2, and some more digits


def _members(header: str) -> list[tuple[str, dict[str, str]]]:
    members = []
    for part in header[:LONGEST].split(","):
        kind, *rest = (piece.strip() for piece in part.split(";"))
        parameters = {}
        for piece in rest:
            name, _, value = piece.partition("=")
            parameters[name.strip().lower()] = value.strip().strip('"')
        if kind:
            members.append((kind.lower(), parameters))
    return members


def acceptable(header: str | None) -> bool:
    """Whether TAXII 2.1 may be answered: any member names it, or a wildcard, or JSON; ``q=0`` rules a member out."""
    if header is None or not header.strip():
        return True
    for kind, parameters in _members(header):
        quality = parameters.get("q", "1")
        if not _QUALITY.fullmatch(quality) or not quality.strip("0."):
            continue
        if kind in ("*/*", "application/*", "application/json"):
            return True
        if kind == "application/taxii+json" and parameters.get("version", "2.1") == "2.1":
            return True
    return False


def is_envelope(header: str | None) -> bool:
    """Whether a body's Content-Type is that of a TAXII 2.1 envelope."""
    members = _members(header or "")
    if len(members) != 1 or "," in (header or ""):
        return False
    kind, parameters = members[0]
    return kind == "application/taxii+json" and parameters.get("version", "2.1") == "2.1"
