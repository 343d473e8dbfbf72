"""How somebody's CSV file or plain list is to be read: saved once, used for every file of that shape."""

import re
import uuid
from functools import lru_cache
from typing import Final, Literal

import msgspec

from sanjha.errors import Malformed
from sanjha.stix import markings
from sanjha.stix.values import HASH_LENGTHS, KINDS, hash_kind

Column = int | str  #: a place counted from 0, or a name in the header line

RECOGNISE: Final = "recognise"
DELIMITERS: Final = ",;|\t "
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "sanjha/csv")
_NAME: Final = re.compile(r"\S(?:.{0,98}\S)?")
_ADDRESSES: Final = ("ipv4", "ipv6", "cidr")
_HASHES: Final = (*HASH_LENGTHS, "ssdeep", "tlsh")
#: What files call the kinds, beside our own words: MISP's attribute types, STIX's object types, common column contents.
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("ip", "ip-src", "ip-dst", "ip-addr", "ip-address", "address"), _ADDRESSES),
    **dict.fromkeys(("network", "netblock", "subnet", "ip-range"), ("cidr", "ipv4", "ipv6")),
    **dict.fromkeys(("ip4", "ipv4-addr", "ipv4-address"), ("ipv4",)),
    **dict.fromkeys(("ip6", "ipv6-addr", "ipv6-address"), ("ipv6",)),
    **dict.fromkeys(("hostname", "host", "fqdn", "domain-name", "dns"), ("domain",)),
    **dict.fromkeys(("uri", "link"), ("url",)),
    **dict.fromkeys(("e-mail", "mail", "email-addr", "email-address", "email-src", "email-dst"), ("email",)),
    **dict.fromkeys(("hash", "file-hash", "filehash", "checksum"), _HASHES),
    "filename": ("file-name",),
    **dict.fromkeys(("mac-addr", "mac-address"), ("mac",)),
    **dict.fromkeys(("as", "as-number", "autonomous-system"), ("asn",)),
    "file": (*_HASHES, "file-name"),
}


@lru_cache(maxsize=256)
def kinds_of(word: str) -> tuple[str, ...]:
    """What a file's word for a kind can mean; nothing where it is no word for one."""
    plain = word.strip().lower().replace("_", "-").replace(" ", "-")
    named = hash_kind(plain.removeprefix("filehash-"))
    return (named,) if named in KINDS else _WORDS.get(plain, ())


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The reading of one shape of file. Without a ``delimiter`` each line is one value: a plain list.

    ``value``, ``kind_column``, ``title``, ``description``, ``labels``, ``confidence`` (0 to 100, or low, medium,
    high), ``valid_from``, ``valid_until``, ``tlp`` and ``dated`` (when the row last changed) name columns.
    ``kind``: one of ``values.KINDS``, or ``recognise``. The ``default_…`` stand in for empty cells.
    ``since`` (microseconds) is when the mapping was saved: the ``created`` of everything read with it.
    """

    name: str
    value: Column = 0
    kind: str = RECOGNISE
    kind_column: Column | None = None
    title: Column | None = None
    description: Column | None = None
    labels: Column | None = None
    confidence: Column | None = None
    valid_from: Column | None = None
    valid_until: Column | None = None
    tlp: Column | None = None
    dated: Column | None = None
    delimiter: str | None = ","
    header: bool = True
    comment: str = "#"
    labels_separator: str = ";"
    encoding: Literal["utf-8", "windows-1252", "iso-8859-1"] = "utf-8"
    default_labels: tuple[str, ...] = ()
    default_confidence: int | None = None
    default_tlp: str | None = None
    valid_days: int | None = None
    since: int | None = None

    def __post_init__(self) -> None:
        fault = self._fault()
        if fault:
            raise ValueError(fault)

    def _fault(self) -> str | None:
        columns = self.columns().values()
        checks = (
            (_NAME.fullmatch(self.name) and self.name.isprintable(), "name must be 1 to 100 characters in one line"),
            (self.kind == RECOGNISE or self.kind in KINDS, f"kind must be {RECOGNISE} or one of {', '.join(KINDS)}"),
            (
                self.delimiter is None or (self.delimiter and self.delimiter in DELIMITERS),
                "delimiter must be , ; | space or tab",
            ),
            (len(self.comment) <= 4 and self.comment.isprintable(), "comment must be at most 4 visible characters"),
            (1 <= len(self.labels_separator) <= 4, "labels_separator must be 1 to 4 characters"),
            (
                self.delimiter is not None or not self.header,
                "a plain list (no delimiter) has no header: set it to false",
            ),
            (self.default_confidence is None or 0 <= self.default_confidence <= 100, "confidence must be 0 to 100"),
            (self.default_tlp is None or markings.tlp(self.default_tlp) is not None, "default_tlp must be a TLP level"),
            (self.valid_days is None or 1 <= self.valid_days <= 36_500, "valid_days must be 1 to 36500"),
            (len(self.default_labels) <= 50 and all(self.default_labels), "default_labels: at most 50, none empty"),
            (all(isinstance(one, str) or 0 <= one < 256 for one in columns), "columns must be 0 to 255, or names"),
            (self.header or not any(isinstance(one, str) for one in columns), "without a header, columns are numbers"),
        )
        return next((sentence for holds, sentence in checks if not holds), None)

    def columns(self) -> dict[str, Column]:
        """The columns that are read, by what they mean."""
        named = {
            "value": self.value, "kind": self.kind_column, "title": self.title, "description": self.description,
            "labels": self.labels, "confidence": self.confidence, "valid_from": self.valid_from,
            "valid_until": self.valid_until, "tlp": self.tlp, "dated": self.dated,
        }  # fmt: skip
        return {meaning: column for meaning, column in named.items() if column is not None}

    @property
    def namespace(self) -> uuid.UUID:
        """The UUID namespace of the ids made with this mapping: its name decides, so keep the name."""
        return uuid.uuid5(_NAMESPACE, self.name)


def plain_list(name: str, kind: str = RECOGNISE, *, since: int | None = None) -> Mapping:
    """The mapping of a list with one value a line and ``#`` or ``;`` comments, also behind a value."""
    return Mapping(name, kind=kind, delimiter=None, header=False, comment="#;", since=since)


def decode(saved: bytes) -> Mapping:
    """A mapping from its saved JSON. Raises ``Malformed``; an unknown key is an error."""
    try:
        return msgspec.json.decode(saved, type=Mapping)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Malformed(f"not a CSV mapping: {str(error)[:300]}") from None


def encode(mapping: Mapping) -> bytes:
    """The JSON to save."""
    return msgspec.json.encode(mapping)
