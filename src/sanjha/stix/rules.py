"""What STIX requires of an object beyond the shape of each property: one function or table row a rule.

Called with a reading whose shape is sound. Each finding goes into the report; nothing is raised.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET

from sanjha.stix import selectors
from sanjha.stix.levels import contradiction
from sanjha.stix.markings import tlp
from sanjha.stix.problems import Report, quote
from sanjha.stix.shapes import PROPERTIES, Frame, domain, meta, observables, relations
from sanjha.stix.shapes.frame import ExternalReference
from sanjha.stix.shapes.leaves import UUID

_property_21 = re.compile(r"[a-z][a-z0-9_]{2,249}").fullmatch
_property_20 = re.compile(r"[a-z0-9_]{3,250}").fullmatch
_relationship_type = re.compile(r"[a-z0-9-]{1,256}").fullmatch
_extension_id = re.compile(f"extension-definition--{UUID}").fullmatch
_EXTENSION_TYPES: Final = frozenset(
    ("new-sdo", "new-sco", "new-sro", "property-extension", "toplevel-property-extension")
)
_PREDEFINED_EXTENSIONS: Final = frozenset(
    "archive-ext ntfs-ext pdf-ext raster-image-ext windows-pebinary-ext http-request-ext icmp-ext socket-ext tcp-ext "
    "windows-process-ext windows-service-ext unix-account-ext".split()
)
#: type -> properties of which one at least must be there: section of the type.
_ONE_OF: Final[dict[str, tuple[str, ...]]] = {
    "file": ("hashes", "name"),
    "malware-analysis": ("result", "analysis_sco_refs"),
    "marking-definition": ("definition", "extensions"),
    "network-traffic": ("src_ref", "dst_ref"),
    "process": tuple(set(observables.Process.__struct_encode_fields__) - {"type", "id", "spec_version", "defanged"}),
    "user-account": tuple(
        set(observables.UserAccount.__struct_encode_fields__) - {"type", "id", "spec_version", "defanged"}
    ),
    "x509-certificate": tuple(
        set(observables.Certificate.__struct_encode_fields__)
        - {"type", "id", "spec_version", "defanged", "extensions", "object_marking_refs", "granular_markings"}
    ),
}
_HASH_FORMS: Final[dict[str, re.Pattern[str]]] = {
    name: re.compile(form)
    for names, form in (
        ("MD5", r"[0-9a-fA-F]{32}"),
        ("SHA-1 RIPEMD-160", r"[0-9a-fA-F]{40}"),
        ("SHA-224 SHA3-224", r"[0-9a-fA-F]{56}"),
        ("SHA-256 SHA3-256", r"[0-9a-fA-F]{64}"),
        ("SHA-384 SHA3-384", r"[0-9a-fA-F]{96}"),
        ("SHA-512 SHA3-512 WHIRLPOOL", r"[0-9a-fA-F]{128}"),
        ("SSDEEP ssdeep", r"[a-zA-Z0-9/+:.]{1,200}"),
        ("TLSH", r"(?:T[0-9])?[0-9a-fA-F]{70}"),
    )
    for name in names.split()
}


def names(tree: dict[str, Any], report: Report) -> None:
    """Property names at the top (section 3.1)."""
    fits = _property_21 if report.spec == 21 else _property_20
    for name in tree:
        if name not in PROPERTIES and not fits(name):
            report.problem(
                f"$.{name[:60]}",
                "3.1",
                "name",
                f"{quote(name)} is no property name",
                "use 3 to 250 lower-case letters, digits and underscores, beginning with a letter",
            )


def presence(kind: str, tree: dict[str, Any], section: str, report: Report) -> None:
    """At least one of several properties."""
    wanted = _ONE_OF.get(kind)
    if wanted is not None and tree.keys().isdisjoint(wanted):
        shown = " or ".join(wanted) if len(wanted) < 4 else "properties of its own"
        report.judge("$", section, "presence", f"{kind} has no {shown}", "add one of them")


def references(found: list[ExternalReference], report: Report) -> None:
    """External references say where (section 2.5)."""
    for position, reference in enumerate(found):
        at = f"$.external_references[{position}]"
        if reference.url is UNSET and reference.external_id is UNSET and reference.description is UNSET:
            report.problem(
                at, "2.5", "presence", "the reference has no description, url or external_id", "add one of them"
            )
        if reference.hashes is not UNSET:
            hashes(reference.hashes, f"{at}.hashes", report)


def hashes(found: dict[str, str], at: str, report: Report) -> None:
    """The values of known algorithms have their length and alphabet (section 2.7)."""
    for name, text in found.items():
        form = _HASH_FORMS.get(name)
        if form is not None and form.fullmatch(text) is None:
            report.problem(
                f"{at}.{name}", "2.7", "hash", f"{quote(text)} is no {name} value", "correct the hash or its name"
            )


def extensions(found: Any, report: Report) -> None:
    """Extension bodies are objects that say something (section 7.3), under names that can be looked up."""
    if type(found) is not dict:
        return  # the shape said so already
    for name, body in found.items():
        at = f"$.extensions.{name[:60]}"
        if type(body) is not dict or not body:
            report.judge(
                at, "7.3", "empty", "an extension must be an object with at least one property", "fill it or drop it"
            )
        elif name.startswith("extension-definition--"):
            if not _extension_id(name):
                report.problem(
                    at, "2.9", "format", f"{quote(name)} is no extension id", "write extension-definition--UUID"
                )
            kind = body.get("extension_type")
            if kind is not None and (type(kind) is not str or kind not in _EXTENSION_TYPES):
                report.problem(
                    f"{at}.extension_type", "7.3", "enum", f"{quote(kind)} is no extension type", "use a listed one"
                )
        elif name not in _PREDEFINED_EXTENSIONS:
            report.warn(
                at, "7.3", "name", f"{quote(name)} is no extension of STIX 2.1", "publish an extension definition"
            )


def granular(item: Frame, tree: dict[str, Any], report: Report) -> None:
    """Granular markings name a marking or a language, and parts that exist (section 7.2.3)."""
    if item.granular_markings is UNSET:
        return
    for position, marking in enumerate(item.granular_markings):
        at = f"$.granular_markings[{position}]"
        if (marking.marking_ref is UNSET) == (marking.lang is UNSET):
            report.problem(
                at, "7.2.3", "presence", "it must have marking_ref or lang, and not both", "keep one of them"
            )
        for index, selector in enumerate(marking.selectors):
            fault = selectors.fault(selector, tree)
            if fault is not None:
                report.problem(
                    f"{at}.selectors[{index}]",
                    "7.2.3.1",
                    "selector",
                    f"{quote(selector)} {fault}",
                    "correct the selector",
                )


# One function a type: (reading, tree, section, report).


def _indicator(item: domain.Indicator, tree: dict[str, Any], section: str, report: Report) -> None:
    if item.pattern_type is UNSET and report.spec == 21:
        report.problem(
            "$.pattern_type",
            section,
            "required",
            "pattern_type is required in indicator and missing",
            "add it: stix, yara, ...",
        )
    if report.spec == 20:
        _labels_20(tree, section, report)


def _labels_20(tree: dict[str, Any], section: str, report: Report) -> None:
    # 2.0 requires them; many feeds leave them out and nothing of ours depends on them.
    if "labels" not in tree:
        report.warn("$.labels", section, "required", f"STIX 2.0 requires labels in {tree['type']}", "add them")


def _malware(item: domain.Malware, tree: dict[str, Any], section: str, report: Report) -> None:
    if report.spec == 20:
        _labels_20(tree, section, report)
        if item.name is UNSET:
            report.problem("$.name", section, "required", "name is required in malware and missing", "add it")
    elif item.is_family is UNSET:
        report.problem(
            "$.is_family", section, "required", "is_family is required in malware and missing", "add it: true or false"
        )
    elif item.is_family and item.name is UNSET:
        report.problem("$.name", section, "required", "a malware family must have a name", "add it")


def _labelled(item: Frame, tree: dict[str, Any], section: str, report: Report) -> None:
    if report.spec == 20:
        _labels_20(tree, section, report)


def _identity(item: domain.Identity, tree: dict[str, Any], section: str, report: Report) -> None:
    if report.spec == 20 and item.identity_class is UNSET:
        report.warn("$.identity_class", section, "required", "STIX 2.0 requires identity_class", "add it")


def _location(item: domain.Location, tree: dict[str, Any], section: str, report: Report) -> None:
    has = tree.keys()
    if ("latitude" in has) != ("longitude" in has):
        report.problem("$", section, "presence", "latitude and longitude need each other", "add the other one")
    if "precision" in has and "latitude" not in has:
        report.problem("$.precision", section, "presence", "precision needs latitude and longitude", "add them")
    if has.isdisjoint(("region", "country", "latitude")):
        report.problem(
            "$", section, "presence", "location has no region, country, or latitude and longitude", "add one of them"
        )


def _observed_data(item: domain.ObservedData, tree: dict[str, Any], section: str, report: Report) -> None:
    if (item.objects is UNSET) == (item.object_refs is UNSET):
        report.problem(
            "$",
            section,
            "presence",
            "observed-data must have object_refs or (deprecated) objects, and not both",
            "keep one",
        )


def _relationship(item: relations.Relationship, tree: dict[str, Any], section: str, report: Report) -> None:
    if not _relationship_type(item.relationship_type):
        report.warn(
            "$.relationship_type",
            section,
            "format",
            f"{quote(item.relationship_type)} is no relationship type",
            "use lower-case letters, digits and hyphens",
        )


def _marking(item: meta.MarkingDefinition, tree: dict[str, Any], section: str, report: Report) -> None:
    if ("definition" in tree) != ("definition_type" in tree):
        report.problem("$", section, "presence", "definition and definition_type need each other", "add the other one")
    if item.definition is not UNSET:
        text = item.definition.get(str(item.definition_type))
        if item.definition_type == "tlp" and (type(text) is not str or tlp(text) is None):
            # Read as unmarked, it would travel further than its author wants.
            report.problem(
                "$.definition.tlp", section, "tlp", f"{quote(text)} is no level of TLP", "write a level of TLP"
            )
        if item.definition_type == "statement" and type(text) is not str:
            report.problem("$.definition.statement", section, "required", "the statement is missing", "add it")
    claim = contradiction(item)
    if claim is not None:
        report.problem(
            "$",
            section,
            "predefined",
            f"this id is predefined with another level than {quote(claim)}",
            "use an id of your own",
        )


def _artifact(item: observables.Artifact, tree: dict[str, Any], section: str, report: Report) -> None:
    if (item.payload_bin is UNSET) == (item.url is UNSET):
        report.problem("$", section, "presence", "artifact must have payload_bin or url, and not both", "keep one")
    if item.url is not UNSET and item.hashes is UNSET:
        report.problem("$.hashes", section, "required", "hashes are required where url is given", "add them")
    if item.decryption_key is not UNSET and item.encryption_algorithm is UNSET:
        report.problem(
            "$.decryption_key",
            section,
            "presence",
            "decryption_key needs encryption_algorithm",
            "add encryption_algorithm",
        )
    if item.hashes is not UNSET:
        hashes(item.hashes, "$.hashes", report)


def _email_message(item: observables.EmailMessage, tree: dict[str, Any], section: str, report: Report) -> None:
    wrong = item.body if item.is_multipart else item.body_multipart
    if wrong is not UNSET:
        name = "body" if item.is_multipart else "body_multipart"
        report.problem(
            f"$.{name}",
            section,
            "presence",
            f"{name} must not be used when is_multipart is {str(item.is_multipart).lower()}",
            "drop it or correct is_multipart",
        )
    if item.body_multipart is not UNSET:
        for position, part in enumerate(item.body_multipart):
            if part.body is UNSET and part.body_raw_ref is UNSET:
                report.problem(
                    f"$.body_multipart[{position}]",
                    "6.6.2",
                    "presence",
                    "the part has no body or body_raw_ref",
                    "add one",
                )


def _file(item: observables.File, tree: dict[str, Any], section: str, report: Report) -> None:
    if item.hashes is not UNSET:
        hashes(item.hashes, "$.hashes", report)
    if item.extensions is UNSET:
        return
    at = "$.extensions"
    if item.extensions.ntfs is not UNSET and item.extensions.ntfs.alternate_data_streams is not UNSET:
        for position, stream in enumerate(item.extensions.ntfs.alternate_data_streams):
            if stream.hashes is not UNSET:
                hashes(stream.hashes, f"{at}.ntfs-ext.alternate_data_streams[{position}].hashes", report)
    binary = item.extensions.pe_binary
    if binary is not UNSET:
        at += ".windows-pebinary-ext"
        if binary.file_header_hashes is not UNSET:
            hashes(binary.file_header_hashes, f"{at}.file_header_hashes", report)
        if binary.optional_header is not UNSET and binary.optional_header.hashes is not UNSET:
            hashes(binary.optional_header.hashes, f"{at}.optional_header.hashes", report)
        if binary.sections is not UNSET:
            for position, part in enumerate(binary.sections):
                if part.hashes is not UNSET:
                    hashes(part.hashes, f"{at}.sections[{position}].hashes", report)


def _traffic(item: observables.NetworkTraffic, tree: dict[str, Any], section: str, report: Report) -> None:
    if item.end is not UNSET and item.is_active is True:
        report.problem("$.end", section, "presence", "active traffic has no end", "drop end or correct is_active")


def _certificate(item: observables.Certificate, tree: dict[str, Any], section: str, report: Report) -> None:
    if item.hashes is not UNSET:
        hashes(item.hashes, "$.hashes", report)


Rule = Callable[[Any, dict[str, Any], str, Report], None]
BY_TYPE: Final[dict[str, Rule]] = {
    "artifact": _artifact,
    "email-message": _email_message,
    "file": _file,
    "identity": _identity,
    "indicator": _indicator,
    "location": _location,
    "malware": _malware,
    "marking-definition": _marking,
    "network-traffic": _traffic,
    "observed-data": _observed_data,
    "relationship": _relationship,
    "report": _labelled,
    "threat-actor": _labelled,
    "tool": _labelled,
    "x509-certificate": _certificate,
}
