"""The properties that all kinds of STIX object share (STIX 2.1 sections 3.2, 2.5, 2.11 and 7.2.3).

Identifier, marking and time syntax of these are checked by the rules, which need their values anyway.
Optional properties default to UNSET, so that JSON ``null`` is a wrong type and not an absent property (section 2).
"""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from sanjha.stix.shapes.leaves import Hashes, MarkingRef, Moment, Texts


class ExternalReference(Struct, gc=False):
    """Section 2.5."""

    source_name: str
    description: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    hashes: Hashes | UnsetType = UNSET
    external_id: str | UnsetType = UNSET


class KillChainPhase(Struct, gc=False):
    """Section 2.11."""

    kill_chain_name: str
    phase_name: str


class GranularMarking(Struct, gc=False):
    """Section 7.2.3."""

    selectors: Texts
    marking_ref: MarkingRef | UnsetType = UNSET
    lang: str | UnsetType = UNSET


KillChain = Annotated[list[KillChainPhase], Meta(min_length=1)]
Extensions = Annotated[dict[str, dict[str, Any]], Meta(min_length=1)]


class Frame(Struct, gc=False, kw_only=True):
    """What may stand in every object. ``created`` and ``modified`` are made required where they are."""

    type: str
    id: str
    spec_version: str | UnsetType = UNSET
    object_marking_refs: Texts | UnsetType = UNSET
    granular_markings: Annotated[list[GranularMarking], Meta(min_length=1)] | UnsetType = UNSET
    extensions: Extensions | UnsetType = UNSET


class Authored(Frame, gc=False, kw_only=True):
    """... and in every object that has an author (section 3.2): all but observables."""

    created_by_ref: str | UnsetType = UNSET
    created: Moment | UnsetType = UNSET
    modified: Moment | UnsetType = UNSET
    revoked: bool | UnsetType = UNSET
    labels: Texts | UnsetType = UNSET
    confidence: Annotated[int, Meta(ge=0, le=100)] | UnsetType = UNSET
    lang: str | UnsetType = UNSET
    external_references: Annotated[list[ExternalReference], Meta(min_length=1)] | UnsetType = UNSET
    name: str | UnsetType = UNSET


class Versioned(Authored, gc=False, kw_only=True):
    """... and has versions (section 3.6)."""

    created: Moment
    modified: Moment
    description: str | UnsetType = UNSET


class Custom(Authored, gc=False, kw_only=True):
    """A type that STIX does not define: only the shared properties are checked."""


class Observable(Frame, gc=False, kw_only=True):
    """A cyber-observable object (section 3.2, last column)."""

    defanged: bool | UnsetType = UNSET
