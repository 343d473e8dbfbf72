"""Objects about objects (STIX 2.1 section 7)."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from sanjha.stix.shapes.frame import Authored, Versioned
from sanjha.stix.shapes.leaves import Moment, Texts, TranslatedRef


class LanguageContent(Versioned, gc=False, kw_only=True):
    """Section 7.1."""

    object_ref: TranslatedRef
    object_modified: Moment | UnsetType = UNSET
    contents: Annotated[dict[str, dict[str, Any]], Meta(min_length=1)]


class MarkingDefinition(Authored, gc=False, kw_only=True):
    """Section 7.2.1."""

    created: Moment
    definition_type: str | UnsetType = UNSET
    definition: dict[str, Any] | UnsetType = UNSET


class ExtensionDefinition(Versioned, gc=False, kw_only=True):
    """Section 7.3."""

    name: str
    schema: str
    version: str
    created_by_ref: str
    extension_types: Annotated[
        list[Literal["new-sdo", "new-sco", "new-sro", "property-extension", "toplevel-property-extension"]],
        Meta(min_length=1),
    ]
    extension_properties: Texts | UnsetType = UNSET
