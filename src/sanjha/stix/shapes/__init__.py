"""The typed readings of STIX objects: which Struct, which section of STIX 2.1, which times, for every type."""

from typing import Final, get_args, get_type_hints

from sanjha.stix.shapes import domain, meta, observables, relations
from sanjha.stix.shapes.frame import Authored, Custom, Frame, Observable, Versioned
from sanjha.stix.shapes.leaves import Moment

__all__ = ["MOMENTS", "PROPERTIES", "SECTIONS", "SHAPES", "Authored", "Custom", "Frame", "Observable", "Versioned"]

_DEFINED: Final[tuple[tuple[str, str, type[Frame]], ...]] = (
    ("attack-pattern", "4.1", domain.AttackPattern),
    ("campaign", "4.2", domain.Campaign),
    ("course-of-action", "4.3", domain.CourseOfAction),
    ("grouping", "4.4", domain.Grouping),
    ("identity", "4.5", domain.Identity),
    ("incident", "4.6", domain.Incident),
    ("indicator", "4.7", domain.Indicator),
    ("infrastructure", "4.8", domain.Infrastructure),
    ("intrusion-set", "4.9", domain.IntrusionSet),
    ("location", "4.10", domain.Location),
    ("malware", "4.11", domain.Malware),
    ("malware-analysis", "4.12", domain.MalwareAnalysis),
    ("note", "4.13", domain.Note),
    ("observed-data", "4.14", domain.ObservedData),
    ("opinion", "4.15", domain.Opinion),
    ("report", "4.16", domain.Report),
    ("threat-actor", "4.17", domain.ThreatActor),
    ("tool", "4.18", domain.Tool),
    ("vulnerability", "4.19", domain.Vulnerability),
    ("relationship", "5.1", relations.Relationship),
    ("sighting", "5.2", relations.Sighting),
    ("artifact", "6.1", observables.Artifact),
    ("autonomous-system", "6.2", observables.AutonomousSystem),
    ("directory", "6.3", observables.Directory),
    ("domain-name", "6.4", observables.DomainName),
    ("email-addr", "6.5", observables.EmailAddress),
    ("email-message", "6.6", observables.EmailMessage),
    ("file", "6.7", observables.File),
    ("ipv4-addr", "6.8", observables.Ipv4Address),
    ("ipv6-addr", "6.9", observables.Ipv6Address),
    ("mac-addr", "6.10", observables.MacAddress),
    ("mutex", "6.11", observables.Mutex),
    ("network-traffic", "6.12", observables.NetworkTraffic),
    ("process", "6.13", observables.Process),
    ("software", "6.14", observables.Software),
    ("url", "6.15", observables.Url),
    ("user-account", "6.16", observables.UserAccount),
    ("windows-registry-key", "6.17", observables.RegistryKey),
    ("x509-certificate", "6.18", observables.Certificate),
    ("language-content", "7.1", meta.LanguageContent),
    ("marking-definition", "7.2.1", meta.MarkingDefinition),
    ("extension-definition", "7.3", meta.ExtensionDefinition),
)

SHAPES: Final[dict[str, type[Frame]]] = {name: shape for name, _, shape in _DEFINED}
SECTIONS: Final[dict[str, str]] = {name: section for name, section, _ in _DEFINED}


def _moments(shape: type[Frame]) -> tuple[str, ...]:
    hints = get_type_hints(shape, include_extras=True)
    return tuple(name for name, hint in hints.items() if hint == Moment or Moment in get_args(hint))


_ALL: Final[tuple[type[Frame], ...]] = (*SHAPES.values(), Custom)
#: The timestamps at the top of an object, by shape.
MOMENTS: Final[dict[type[Frame], tuple[str, ...]]] = {shape: _moments(shape) for shape in _ALL}
#: Every property name that STIX defines at the top of some object.
PROPERTIES: Final[frozenset[str]] = frozenset(name for shape in _ALL for name in shape.__struct_encode_fields__)
