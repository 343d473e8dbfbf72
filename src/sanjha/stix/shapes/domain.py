"""STIX domain objects: one Struct a type (STIX 2.1 section 4).

What 2.1 requires and 2.0 does not know is optional here; ``rules`` asks for it by version.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from sanjha.stix.shapes.frame import KillChain, Versioned
from sanjha.stix.shapes.leaves import (
    AnyRef,
    Moment,
    ObservableRef,
    ObservedRef,
    SampleRef,
    SoftwareRef,
    Texts,
)

_AnyRefs = Annotated[list[AnyRef], Meta(min_length=1)]
_SoftwareRefs = Annotated[list[SoftwareRef], Meta(min_length=1)]


class AttackPattern(Versioned, gc=False, kw_only=True):
    """Section 4.1."""

    name: str
    aliases: Texts | UnsetType = UNSET
    kill_chain_phases: KillChain | UnsetType = UNSET


class Campaign(Versioned, gc=False, kw_only=True):
    """Section 4.2."""

    name: str
    aliases: Texts | UnsetType = UNSET
    first_seen: Moment | UnsetType = UNSET
    last_seen: Moment | UnsetType = UNSET
    objective: str | UnsetType = UNSET


class CourseOfAction(Versioned, gc=False, kw_only=True):
    """Section 4.3."""

    name: str


class Grouping(Versioned, gc=False, kw_only=True):
    """Section 4.4."""

    context: str
    object_refs: _AnyRefs


class Identity(Versioned, gc=False, kw_only=True):
    """Section 4.5."""

    name: str
    roles: Texts | UnsetType = UNSET
    identity_class: str | UnsetType = UNSET
    sectors: Texts | UnsetType = UNSET
    contact_information: str | UnsetType = UNSET


class Incident(Versioned, gc=False, kw_only=True):
    """Section 4.6, a stub there."""

    name: str
    kill_chain_phases: KillChain | UnsetType = UNSET


class Indicator(Versioned, gc=False, kw_only=True):
    """Section 4.7."""

    pattern: str
    pattern_type: str | UnsetType = UNSET
    pattern_version: str | UnsetType = UNSET
    valid_from: Moment
    valid_until: Moment | UnsetType = UNSET
    indicator_types: Texts | UnsetType = UNSET
    kill_chain_phases: KillChain | UnsetType = UNSET


class Infrastructure(Versioned, gc=False, kw_only=True):
    """Section 4.8."""

    name: str
    infrastructure_types: Texts | UnsetType = UNSET
    aliases: Texts | UnsetType = UNSET
    kill_chain_phases: KillChain | UnsetType = UNSET
    first_seen: Moment | UnsetType = UNSET
    last_seen: Moment | UnsetType = UNSET


class IntrusionSet(Versioned, gc=False, kw_only=True):
    """Section 4.9."""

    name: str
    aliases: Texts | UnsetType = UNSET
    first_seen: Moment | UnsetType = UNSET
    last_seen: Moment | UnsetType = UNSET
    goals: Texts | UnsetType = UNSET
    resource_level: str | UnsetType = UNSET
    primary_motivation: str | UnsetType = UNSET
    secondary_motivations: Texts | UnsetType = UNSET


class Location(Versioned, gc=False, kw_only=True):
    """Section 4.10."""

    latitude: Annotated[float, Meta(ge=-90, le=90)] | UnsetType = UNSET
    longitude: Annotated[float, Meta(ge=-180, le=180)] | UnsetType = UNSET
    precision: Annotated[float, Meta(ge=0)] | UnsetType = UNSET
    region: str | UnsetType = UNSET
    country: str | UnsetType = UNSET
    administrative_area: str | UnsetType = UNSET
    city: str | UnsetType = UNSET
    street_address: str | UnsetType = UNSET
    postal_code: str | UnsetType = UNSET


class Malware(Versioned, gc=False, kw_only=True):
    """Section 4.11."""

    malware_types: Texts | UnsetType = UNSET
    is_family: bool | UnsetType = UNSET
    aliases: Texts | UnsetType = UNSET
    kill_chain_phases: KillChain | UnsetType = UNSET
    first_seen: Moment | UnsetType = UNSET
    last_seen: Moment | UnsetType = UNSET
    operating_system_refs: _SoftwareRefs | UnsetType = UNSET
    architecture_execution_envs: Texts | UnsetType = UNSET
    implementation_languages: Texts | UnsetType = UNSET
    capabilities: Texts | UnsetType = UNSET
    sample_refs: Annotated[list[SampleRef], Meta(min_length=1)] | UnsetType = UNSET


class MalwareAnalysis(Versioned, gc=False, kw_only=True):
    """Section 4.12."""

    product: str
    version: str | UnsetType = UNSET
    host_vm_ref: SoftwareRef | UnsetType = UNSET
    operating_system_ref: SoftwareRef | UnsetType = UNSET
    installed_software_refs: _SoftwareRefs | UnsetType = UNSET
    configuration_version: str | UnsetType = UNSET
    modules: Texts | UnsetType = UNSET
    analysis_engine_version: str | UnsetType = UNSET
    analysis_definition_version: str | UnsetType = UNSET
    submitted: Moment | UnsetType = UNSET
    analysis_started: Moment | UnsetType = UNSET
    analysis_ended: Moment | UnsetType = UNSET
    result_name: str | UnsetType = UNSET
    result: str | UnsetType = UNSET
    analysis_sco_refs: Annotated[list[ObservableRef], Meta(min_length=1)] | UnsetType = UNSET
    sample_ref: ObservableRef | UnsetType = UNSET


class Note(Versioned, gc=False, kw_only=True):
    """Section 4.13."""

    abstract: str | UnsetType = UNSET
    content: str
    authors: Texts | UnsetType = UNSET
    object_refs: _AnyRefs


class ObservedData(Versioned, gc=False, kw_only=True):
    """Section 4.14; ``objects`` is what STIX 2.0 had and 2.1 deprecates."""

    first_observed: Moment
    last_observed: Moment
    number_observed: Annotated[int, Meta(ge=1, le=999_999_999)]
    objects: Annotated[dict[str, dict[str, Any]], Meta(min_length=1)] | UnsetType = UNSET
    object_refs: Annotated[list[ObservedRef], Meta(min_length=1)] | UnsetType = UNSET


class Opinion(Versioned, gc=False, kw_only=True):
    """Section 4.15."""

    explanation: str | UnsetType = UNSET
    authors: Texts | UnsetType = UNSET
    opinion: Literal["strongly-disagree", "disagree", "neutral", "agree", "strongly-agree"]
    object_refs: _AnyRefs


class Report(Versioned, gc=False, kw_only=True):
    """Section 4.16."""

    name: str
    report_types: Texts | UnsetType = UNSET
    published: Moment
    object_refs: _AnyRefs


class ThreatActor(Versioned, gc=False, kw_only=True):
    """Section 4.17."""

    name: str
    threat_actor_types: Texts | UnsetType = UNSET
    aliases: Texts | UnsetType = UNSET
    first_seen: Moment | UnsetType = UNSET
    last_seen: Moment | UnsetType = UNSET
    roles: Texts | UnsetType = UNSET
    goals: Texts | UnsetType = UNSET
    sophistication: str | UnsetType = UNSET
    resource_level: str | UnsetType = UNSET
    primary_motivation: str | UnsetType = UNSET
    secondary_motivations: Texts | UnsetType = UNSET
    personal_motivations: Texts | UnsetType = UNSET


class Tool(Versioned, gc=False, kw_only=True):
    """Section 4.18."""

    name: str
    tool_types: Texts | UnsetType = UNSET
    aliases: Texts | UnsetType = UNSET
    kill_chain_phases: KillChain | UnsetType = UNSET
    tool_version: str | UnsetType = UNSET


class Vulnerability(Versioned, gc=False, kw_only=True):
    """Section 4.19."""

    name: str
