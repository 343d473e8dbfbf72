"""Reading single fields of untrusted MISP JSON: the value in its one clean form, or None and a note in the loss report.

MISP writes numbers as texts and booleans as ``"0"``/``"1"`` depending on its version; both forms are read.
"""

import base64
import binascii
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from sanjha.formats.misp_json import printable
from sanjha.stix.problems import Problem

MAX_VALUE: Final = 131_071  #: bytes of ``value1|value2``: two MySQL TEXT columns of 65,535 (MISP database schema)
MAX_TEXT: Final = 65_535  #: bytes of comment, info, tag …: one TEXT column
MAX_REPORT: Final = 16_777_215  #: bytes of an event report: one MEDIUMTEXT column
MAX_DATA: Final = 32 * 1024 * 1024  #: base64 characters of an attachment (MISP's default upload limit is 50 MB raw)
MAX_ITEMS: Final = 200_000  #: entries of one list; MISP itself fails to sync events past 150,000 attributes
MAX_TIME: Final = 253_402_300_799  #: seconds: the last of the year 9999, where STIX timestamps end
MAX_CONVERTED: Final = (
    8_192  #: characters of a value that misp-stix may see: stix2 reads its patterns at 20 µs a character
)
MAX_LETTERS: Final = 8_000_000  #: characters of all values of an event that it may see, for the same reason
_MAILBOX: Final = 320  #: RFC 5321; pymisp's pattern takes quadratic time on these types: 64 kB of "@" cost 10 s
_MAILBOXES: Final = frozenset({"email", "email-src", "email-dst", "email-reply-to", "eppn", "jabber-id"})
_HOST: Final = 512  #: twice RFC 1035, for a domain with an address
_RULES: Final = frozenset({"yara", "sigma", "snort", "suricata", "text", "comment", "other", "zeek", "bro"})

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_VARIANT: Final = 19  #: where in the text the digit of the variant stands (RFC 9562, section 4.1)
_NAMESPACE: Final = uuid.UUID("19d72b74-a098-520c-998c-8a4633e29040")

Losses = list[Problem]
Raw = dict[str, Any]


def derived(*parts: str) -> str:
    """The same UUID (version 5) for the same parts, for what came without one."""
    return str(uuid.uuid5(_NAMESPACE, "\0".join(parts)))


def lose(losses: Losses, ident: str | None, path: str, what: str, message: str, remedy: str) -> None:
    """One line of the loss report; ``what`` is ``dropped``, ``changed``, ``guessed`` or ``unread``."""
    losses.append(Problem(id=ident, path=path, rule=f"misp/{what}", message=message, remedy=remedy))


def ident(value: object) -> str | None:
    """A UUID of any version in lower case. One that no STIX id can hold (section 2.9 asks for RFC 9562's variant) gives
    a derived one, the same wherever it stands, so that references to it still hold.
    """
    text = _hex_form(value)
    return text if text is None or text[_VARIANT] in "89ab" else derived("uuid", text)


def irregular(value: object) -> bool:
    """Whether ``ident`` gives another UUID than the one written: that is for the loss report."""
    text = _hex_form(value)
    return text is not None and text[_VARIANT] not in "89ab"


def _hex_form(value: object) -> str | None:
    text = value.strip().lower() if isinstance(value, str) and len(value) < 100 else ""
    return text if _UUID.fullmatch(text) else None


def text(value: object, limit: int = MAX_TEXT) -> str | None:
    """A text of at most ``limit`` bytes that is valid Unicode; numbers in their decimal form."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > limit:
        return None
    if value.isascii():
        return value
    try:
        return value if len(value.encode()) <= limit else None
    except UnicodeEncodeError:
        return None


def whole(value: object) -> int | None:
    """A non-negative integer, also as ASCII digits."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if value >= 0 else None
    if isinstance(value, str) and len(value) <= 20 and value.isascii() and value.isdigit():
        return int(value)
    return None


def flag(value: object) -> bool | None:
    """A boolean in any of MISP's spellings."""
    spellings: dict[object, bool] = {True: True, False: False, "1": True, "0": False, "true": True, "false": False}
    if isinstance(value, str):
        value = value.lower()
    return spellings.get(value) if isinstance(value, str | int | bool) else None


def seconds(value: object) -> int | None:
    """Unix time within what STIX can write; 0 (MISP for "never") is None."""
    found = whole(value)
    return found if found and found <= MAX_TIME else None


def moment(value: object) -> str | None:
    """A date and time with offset (none: UTC) as ISO 8601 in UTC."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        found = datetime.fromisoformat(value)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found.isoformat() if found.year >= 1000 else None


def items(raw: Raw, name: str, path: str, losses: Losses) -> Iterator[tuple[str, Raw]]:
    """The objects of the list ``raw[name]`` with their paths; what is no object is reported and passed over."""
    found = raw.get(name)
    if found is None or found == []:
        return
    if isinstance(found, dict):  # PHP writes a list with gaps as an object, and one entry without its list
        found = list(found.values()) if found and all(key.isdigit() for key in found) else [found]
    if not isinstance(found, list):
        lose(losses, None, f"{path}.{name}", "dropped", f"{name} must be a list.", "Correct it in MISP.")
        return
    if len(found) > MAX_ITEMS:
        lose(losses, None, f"{path}.{name}", "dropped", f"Entries past {MAX_ITEMS} were left out.", "Split the event.")
    for index, item in enumerate(found[:MAX_ITEMS]):
        place = f"{path}.{name}[{index}]"
        if isinstance(item, dict):
            yield place, item
        else:
            message = f"{printable(item)} stands where an object must."
            lose(losses, None, place, "dropped", message, "Correct it in MISP.")


def fits(kind: str, text: str) -> bool:
    """Whether the converter may see such a value: it costs too much time on longer ones."""
    if kind in _MAILBOXES or kind.endswith("-email"):
        return len(text) <= _MAILBOX
    if kind.startswith(("domain", "hostname", "ip-", "datetime")):
        return len(text) <= _HOST
    return len(text) <= (MAX_TEXT if kind in _RULES else MAX_CONVERTED)


def attachment(raw: object) -> str | None:
    """Base64 that decodes, within ``MAX_DATA``."""
    if not isinstance(raw, str) or len(raw) > MAX_DATA:
        return None
    try:
        return base64.b64encode(base64.b64decode(raw, validate=True)).decode()
    except (binascii.Error, ValueError):
        return None
