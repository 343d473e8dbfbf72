"""The leaf types of STIX: what a single property may hold, as msgspec types that reject in C what breaks a MUST.

Every pattern matches in linear time: the repeats are possessive, so that hostile text cannot make them backtrack.
"""

from typing import Annotated, Any, Final

from msgspec import Meta

#: RFC 4122 variant, any version (STIX 2.1 section 2.9). Upper-case digits are read; ids compare as text.
UUID: Final = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}"
TYPE: Final = r"[a-z0-9]++(?:-[a-z0-9]++)*+"
#: RFC 3339 in UTC (section 2.15). The day of the month is checked against the calendar where the value has a meaning
#: to us.
TIMESTAMP: Final = (
    r"\A(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]{1,32})?Z\Z"
)
MAX_INTEGER: Final = 2**53 - 1  #: section 2.10

DOMAIN_TYPES: Final = frozenset(
    "attack-pattern campaign course-of-action grouping identity incident indicator infrastructure intrusion-set "
    "location malware malware-analysis note observed-data opinion report threat-actor tool vulnerability".split()
)
RELATION_TYPES: Final = frozenset(("relationship", "sighting"))
OBSERVABLE_TYPES: Final = frozenset(
    "artifact autonomous-system directory domain-name email-addr email-message file ipv4-addr ipv6-addr mac-addr mutex "
    "network-traffic process software url user-account windows-registry-key x509-certificate".split()
)
META_TYPES: Final = frozenset(("marking-definition", "language-content", "extension-definition"))
#: Types that STIX 2.0 does not know.
NEW_TYPES: Final = frozenset(
    "grouping incident infrastructure location malware-analysis note opinion "
    "language-content extension-definition".split()
)


def to(*types: str) -> str:
    """The pattern of an id of one of these types."""
    return rf"\A(?:{'|'.join(sorted(types))})--{UUID}\Z"


def to_any_but(*types: str) -> str:
    """The pattern of an id of any type, custom ones too, except these."""
    return rf"\A(?!(?:{'|'.join(sorted({'bundle', *types}))})--){TYPE}--{UUID}\Z"


#: pattern -> (what the property must be, the section that says so): for the sentences in reports.
MEANINGS: Final[dict[str, tuple[str, str]]] = {
    TIMESTAMP: ("a UTC timestamp, YYYY-MM-DDTHH:MM:SS[.fraction]Z", "2.15"),
}


def _meaning(pattern: str, text: str, section: str = "2.9") -> str:
    MEANINGS[pattern] = (text, section)
    return pattern


def _refs(*types: str) -> str:
    return _meaning(to(*types), "the id (type--UUID) of one of: " + ", ".join(sorted(types)))


# A timestamp at the top of an object is plain text here: the rules parse it, because they need its value.
Moment = Annotated[str, Meta(extra={"moment": True})]
Timestamp = Annotated[str, Meta(pattern=TIMESTAMP)]  #: a timestamp deeper inside
Integer = Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
Count = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Hex = Annotated[str, Meta(pattern=_meaning(r"\A(?:[0-9a-fA-F]{2})++\Z", "an even number of hexadecimal digits", "2.8"))]
Binary = Annotated[
    str,
    Meta(
        pattern=_meaning(
            r"\A(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\Z", "base64 text with padding", "2.1"
        )
    ),
]
Key = Annotated[
    str, Meta(pattern=_meaning(r"\A[a-zA-Z0-9_-]{1,250}\Z", "a key of 1 to 250 letters, digits, '-' or '_'", "2.3"))
]
Texts = Annotated[list[str], Meta(min_length=1)]
Dictionary = Annotated[dict[Key, Any], Meta(min_length=1)]
Hashes = Annotated[dict[Key, str], Meta(min_length=1)]

AnyRef = Annotated[str, Meta(pattern=_meaning(to_any_but(), "the id (type--UUID) of a STIX object"))]
IdentityRef = Annotated[str, Meta(pattern=_refs("identity"))]
MarkingRef = Annotated[str, Meta(pattern=_refs("marking-definition"))]
RelatedRef = Annotated[
    str,
    Meta(
        pattern=_meaning(
            to_any_but(*RELATION_TYPES, *META_TYPES),
            "the id of a domain object or an observable",
            "5.1",
        )
    ),
]
SightedRef = Annotated[
    str,
    Meta(
        pattern=_meaning(
            to_any_but(*OBSERVABLE_TYPES, *RELATION_TYPES, *META_TYPES),
            "the id of a domain object or a custom object",
            "5.2",
        )
    ),
]
ObservableRef = Annotated[
    str,
    Meta(
        pattern=_meaning(
            to_any_but(*DOMAIN_TYPES, *RELATION_TYPES, *META_TYPES), "the id of a cyber-observable object", "6"
        )
    ),
]
ObservedRef = Annotated[
    str,
    Meta(
        pattern=_meaning(
            to_any_but(*DOMAIN_TYPES, *META_TYPES), "the id of a cyber-observable object or a relationship", "4.14"
        )
    ),
]
TranslatedRef = Annotated[
    str, Meta(pattern=_meaning(to_any_but("language-content"), "the id of the object that is translated", "7.1"))
]
WhereRef = Annotated[str, Meta(pattern=_refs("identity", "location"))]
ObservedDataRef = Annotated[str, Meta(pattern=_refs("observed-data"))]
SoftwareRef = Annotated[str, Meta(pattern=_refs("software"))]
SampleRef = Annotated[str, Meta(pattern=_refs("artifact", "file"))]
ArtifactRef = Annotated[str, Meta(pattern=_refs("artifact"))]
FileRef = Annotated[str, Meta(pattern=_refs("file"))]
DirectoryRef = Annotated[str, Meta(pattern=_refs("directory"))]
ContentRef = Annotated[str, Meta(pattern=_refs("file", "directory"))]
ResolvesRef = Annotated[str, Meta(pattern=_refs("ipv4-addr", "ipv6-addr", "domain-name"))]
MacRef = Annotated[str, Meta(pattern=_refs("mac-addr"))]
AutonomousSystemRef = Annotated[str, Meta(pattern=_refs("autonomous-system"))]
AccountRef = Annotated[str, Meta(pattern=_refs("user-account"))]
EmailRef = Annotated[str, Meta(pattern=_refs("email-addr"))]
EndpointRef = Annotated[str, Meta(pattern=_refs("ipv4-addr", "ipv6-addr", "mac-addr", "domain-name"))]
TrafficRef = Annotated[str, Meta(pattern=_refs("network-traffic"))]
ProcessRef = Annotated[str, Meta(pattern=_refs("process"))]
