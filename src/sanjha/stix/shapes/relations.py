"""STIX relationship objects (STIX 2.1 section 5)."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from sanjha.stix.shapes.frame import Versioned
from sanjha.stix.shapes.leaves import Moment, ObservedDataRef, RelatedRef, SightedRef, WhereRef


class Relationship(Versioned, gc=False, kw_only=True):
    """Section 5.1."""

    relationship_type: str
    source_ref: RelatedRef
    target_ref: RelatedRef
    start_time: Moment | UnsetType = UNSET
    stop_time: Moment | UnsetType = UNSET


class Sighting(Versioned, gc=False, kw_only=True):
    """Section 5.2."""

    first_seen: Moment | UnsetType = UNSET
    last_seen: Moment | UnsetType = UNSET
    count: Annotated[int, Meta(ge=0, le=999_999_999)] | UnsetType = UNSET
    sighting_of_ref: SightedRef
    observed_data_refs: Annotated[list[ObservedDataRef], Meta(min_length=1)] | UnsetType = UNSET
    where_sighted_refs: Annotated[list[WhereRef], Meta(min_length=1)] | UnsetType = UNSET
    summary: bool | UnsetType = UNSET
