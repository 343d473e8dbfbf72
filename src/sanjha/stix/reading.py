"""Reading one STIX object: received bytes in; a typed reading, or everything that is wrong with them, out.

The bytes stay the truth. A reading is what the node needs to store, mark, index and serve them; properties, extensions
and types that STIX does not define are welcome and stay in the bytes. Hostile bytes give problems: ``read`` never
raises.
"""

import re
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET

from sanjha.errors import Malformed
from sanjha.stix import chronology, levels, rules
from sanjha.stix.markings import TLP_IDS, UNMARKED, closed_levels
from sanjha.stix.observables import CLOSED_SYNTAX, deterministic_id, indexed
from sanjha.stix.patterns import Indexed, examine, values
from sanjha.stix.problems import Problem, Report, explain, quote
from sanjha.stix.shapes import MOMENTS, PROPERTIES, SECTIONS, SHAPES, Authored, Custom
from sanjha.stix.shapes.domain import Indicator, ObservedData
from sanjha.stix.shapes.leaves import NEW_TYPES, OBSERVABLE_TYPES, TYPE, UUID
from sanjha.stix.shapes.meta import LanguageContent, MarkingDefinition
from sanjha.stix.shapes.relations import Relationship, Sighting
from sanjha.stix.strict import MAX_DEPTH, MAX_OBJECT, tree_of

__all__ = ["MAX_DEPTH", "MAX_OBJECT", "Problem", "Reading", "read"]

_type_form = re.compile(TYPE).fullmatch
_uuid = re.compile(UUID).fullmatch
_identity = re.compile(f"identity--{UUID}").fullmatch
_marking = re.compile(f"marking-definition--{UUID}").fullmatch
_convert = msgspec.convert
#: Properties that 2.0 does not define: a 2.0 object may use the names for something else.
_UNKNOWN_TO_20: Final = frozenset(
    "confidence lang extensions indicator_types malware_types is_family pattern_type pattern_version report_types "
    "threat_actor_types tool_types start_time stop_time operating_system_refs sample_refs capabilities "
    "architecture_execution_envs implementation_languages object_refs".split()
)
_NOTHING_LOOSE: Final[frozenset[str]] = frozenset()


class Reading(msgspec.Struct, gc=False):
    """What the node needs to know of one object; times in microseconds since 1970.

    ``spec``: 20 or 21. ``version``: modified, else created, else 0. ``tlp``, ``pap``: the strictest level that
    predefined references, labels and granular markings state, ``markings.UNMARKED`` when none does. ``marking_refs``:
    the references that are not predefined, for the store to resolve. ``states``: of a marking definition, the (tlp,
    pap) it states. ``values``: of an indicator's STIX pattern, of an observable, of the old ``objects`` of observed
    data. ``about``: ids it speaks of. A NUL character in ``name`` or ``labels`` reads as U+FFFD, because PostgreSQL
    cannot hold it; the bytes keep it.
    """

    raw: bytes
    id: str
    type: str
    spec: int
    version: int
    created: int | None
    created_by: str | None
    revoked: bool
    name: str | None
    tlp: int
    pap: int
    marking_refs: tuple[str, ...]
    states: tuple[int, int] | None
    valid_from: int | None
    valid_until: int | None
    confidence: int | None
    labels: tuple[str, ...]
    values: tuple[Indexed, ...]
    about: tuple[str, ...]
    warnings: tuple[Problem, ...]


def read(
    raw: bytes, *, bundle_spec: str | None = None, second_opinion: bool = False, brief: bool = False
) -> Reading | tuple[Problem, ...]:
    """The reading of one object, or all its problems. Never raises.

    ``bundle_spec``: the ``spec_version`` of the bundle it came in, if that states one. ``second_opinion``: ask the
    OASIS parser about a pattern that ours refuses (milliseconds each: let a caller stop asking after some). What it
    accepts is kept with a warning and without values. ``brief``: what has a wrong shape is refused without a search for all
    that is wrong with it, and for what STIX 2.0 would let pass.

    1. strict JSON; 2. type and version of STIX; 3. the shape of every property; 4. identifiers; 5. times and their
    order; 6. the rules of the type; 7. markings; 8. values.
    """
    tree = tree_of(raw)  # 1
    if type(tree) is not dict:
        return (cast(Problem, tree),)
    object_id = tree.get("id")
    report = Report(object_id if type(object_id) is str and len(object_id) <= _MAX_ID else None, 21)
    kind = tree.get("type")
    if type(kind) is not str:  # 2
        report.problem("$.type", "3.2", "required", "type is missing or no string", "add the type of the object")
        return tuple(report.problems)
    report.spec = spec = _spec(kind, tree, bundle_spec, report)
    shape = SHAPES.get(kind)
    if shape is None:
        shape, section = Custom, "11"
        if kind == "bundle":
            report.problem(
                "$.type", "8", "type", "a bundle is no object", "send the objects in it one by one, or import it"
            )
            return tuple(report.problems)
        if not _type_form(kind) or not 3 <= len(kind) <= 250:
            report.problem(
                "$.type", "11", "type", f"{quote(kind)} is no type name", "use 3 to 250 of a-z, 0-9 and single hyphens"
            )
    else:
        section = SECTIONS[kind]
    loose = _UNKNOWN_TO_20 if spec == 20 else _NOTHING_LOOSE
    try:
        item: Any = _convert(tree, shape)  # 3
    except msgspec.ValidationError:
        if brief:
            report.problem("$", section, "shape", "has a wrong shape, as many others here", "correct the first ones")
            return tuple(report.problems)
        item = explain(tree, shape, section, report, loose)
        if item is None:
            return tuple(report.problems)
    if not PROPERTIES.issuperset(tree):
        rules.names(tree, report)
    identifier = item.id  # 4
    if identifier[:-36] != kind + "--" or not _uuid(identifier, len(identifier) - 36):
        report.problem(
            "$.id",
            "2.9",
            "id",
            f"{quote(identifier)} is not {quote(kind)[1:-1]}--UUID",
            "give it an id of its type, once for ever",
        )
    times = chronology.moments(item, MOMENTS[shape], report, loose)  # 5
    chronology.order(kind, times, section, report)
    rules.presence(kind, tree, section, report)  # 6
    rule = rules.BY_TYPE.get(kind)
    if rule is not None:
        rule(item, tree, section, report)
    if "extensions" in tree:
        rules.extensions(tree["extensions"], report)
    tlp, pap, marking_refs = _marked(item, tree, report)  # 7
    created_by: str | None = None
    name: str | None = None
    labels: tuple[str, ...] = ()
    revoked = False
    confidence: int | None = None
    states: tuple[int, int] | None = None
    if isinstance(item, Authored):
        if item.created_by_ref is not UNSET:
            created_by = item.created_by_ref
            if not _identity(created_by):
                report.problem(
                    "$.created_by_ref",
                    "3.2",
                    "reference",
                    "created_by_ref must be the id of an identity",
                    "write identity--UUID",
                )
        if item.name is not UNSET:
            name = _clean(item.name)
        if item.labels is not UNSET:
            labels = tuple(map(_clean, item.labels))
        if item.external_references is not UNSET:
            rules.references(item.external_references, report)
        revoked = item.revoked is True
        if item.confidence is not UNSET:
            confidence = item.confidence
        if type(item) is MarkingDefinition:
            states = levels.stated(item)
    found = _values(kind, item, tree, section, report, second_opinion)  # 8
    if report.problems:
        return tuple(report.problems)
    created = times.get("created")
    return Reading(
        raw,
        identifier,
        kind,
        spec,
        times.get("modified", created or 0),
        created,
        created_by,
        revoked,
        name,
        tlp,
        pap,
        marking_refs,
        states,
        times.get("valid_from"),
        times.get("valid_until"),
        confidence,
        labels,
        found,
        _about(item),
        tuple(report.warnings) if report.warnings else (),
    )


_MAX_ID: Final = 250 + 2 + 36  #: the longest type name, ``--``, a UUID


def _spec(kind: str, tree: dict[str, Any], bundle_spec: str | None, report: Report) -> int:
    """20 or 21 (section 3.2: an object without ``spec_version`` is 2.0, except observables)."""
    stated = tree.get("spec_version", UNSET)
    if stated == "2.1":
        return 21
    if stated == "2.0":
        return 20
    if stated is not UNSET:
        report.problem(
            "$.spec_version", "3.2", "spec-version", f"spec_version {quote(stated)} is not read here", 'write "2.1"'
        )
        return 21
    if kind in OBSERVABLE_TYPES:
        return 21
    if kind in NEW_TYPES:
        report.problem(
            "$.spec_version", "3.2", "required", f"{kind} is new in STIX 2.1 and spec_version is missing", 'add "2.1"'
        )
        return 21
    if kind in SHAPES or bundle_spec == "2.0" or "created" in tree:
        return 20
    return 21


def _clean(text: str) -> str:
    return text.replace("\0", "\ufffd") if "\0" in text else text


def _marked(item: Any, tree: dict[str, Any], report: Report) -> tuple[int, int, tuple[str, ...]]:
    """(tlp, pap, references that are not predefined)."""
    tlp = pap = UNMARKED
    others: list[str] = []
    if item.object_marking_refs is not UNSET:
        for position, ref in enumerate(item.object_marking_refs):
            level = TLP_IDS.get(ref)
            if level is not None:
                tlp = max(tlp, level)
            elif _marking(ref):
                others.append(ref)
            else:
                report.problem(
                    f"$.object_marking_refs[{position}]",
                    "7.2.2",
                    "reference",
                    f"{quote(ref)} is no marking-definition--UUID",
                    "refer to a marking definition",
                )
    if item.granular_markings is not UNSET:
        rules.granular(item, tree, report)
        for granular in item.granular_markings:
            if granular.marking_ref is not UNSET:
                level = TLP_IDS.get(granular.marking_ref)
                if level is None:
                    others.append(granular.marking_ref)
                else:
                    tlp = max(tlp, level)
    labels = tree.get("labels")  # STIX gives observables none, and whoever writes one there means it
    if type(labels) is list:
        for label in labels:
            if type(label) is str and (":" in label or "=" in label or not label.isascii()):
                label_tlp, label_pap, guessed = closed_levels(label)
                tlp, pap = max(tlp, label_tlp), max(pap, label_pap)
                if guessed:
                    report.warn(
                        "$.labels",
                        "7.2",
                        "marking",
                        f"the label {quote(label)} names no level, and is taken for a strict one",
                        "use a level of TLP 2.0 or PAP",
                    )
    return int(tlp), int(pap), tuple(dict.fromkeys(others)) if others else ()


def _values(
    kind: str, item: Any, tree: dict[str, Any], section: str, report: Report, second_opinion: bool
) -> tuple[Indexed, ...]:
    if type(item) is Indicator:
        if item.pattern_type is UNSET or item.pattern_type == "stix":
            try:
                return values(item.pattern)
            except Malformed as error:
                if second_opinion and examine(item.pattern).refusal is None:
                    report.warn(
                        "$.pattern",
                        "9",
                        "second-opinion",
                        f"only the OASIS parser reads it: {error.public}",
                        "report it",
                    )
                else:
                    report.problem(
                        "$.pattern", "9", "pattern", error.public, "correct the pattern, or its pattern_type"
                    )
        return ()
    if kind in OBSERVABLE_TYPES:
        found, faults = indexed(kind, tree)
        for name, reason in faults:
            file = report.problem if kind in CLOSED_SYNTAX else report.warn
            file(f"$.{name}", section, "value", reason, "correct the value")
        if item.id[-22:-21] == "5":
            derived = deterministic_id(tree)
            if derived is not None and derived != item.id.lower():
                report.warn(
                    "$.id",
                    "2.9",
                    "deterministic-id",
                    f"the properties give {derived}",
                    "derive the id as section 2.9 says",
                )
        return tuple(found)
    if type(item) is ObservedData and item.objects is not UNSET:
        gathered: list[Indexed] = []
        for key, part in item.objects.items():
            part_kind = part.get("type")
            if type(part_kind) is not str:
                report.judge(
                    f"$.objects.{key[:60]}.type", section, "required", "the observable has no type", "add its type"
                )
                continue
            found, faults = indexed(part_kind, part)
            gathered += found
            for name, reason in faults:
                report.warn(f"$.objects.{key[:60]}.{name}", section, "value", reason, "correct the value")
        return tuple(dict.fromkeys(gathered))
    return ()


def _about(item: Any) -> tuple[str, ...]:
    kind = type(item)
    if kind is Relationship:
        return (item.source_ref, item.target_ref)
    if kind is Sighting:
        return (item.sighting_of_ref,)
    if kind is LanguageContent:
        return (item.object_ref,)
    refs = getattr(item, "object_refs", UNSET)
    return tuple(refs) if refs is not UNSET else ()
