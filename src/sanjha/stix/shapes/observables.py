"""Cyber-observable objects: one Struct a type (STIX 2.1 section 6)."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sanjha.stix.shapes.extensions import AccountExtensions, FileExtensions, ProcessExtensions, TrafficExtensions
from sanjha.stix.shapes.frame import Observable
from sanjha.stix.shapes.leaves import (
    AccountRef,
    ArtifactRef,
    AutonomousSystemRef,
    Binary,
    ContentRef,
    Count,
    Dictionary,
    DirectoryRef,
    EmailRef,
    EndpointRef,
    FileRef,
    Hashes,
    Hex,
    Integer,
    MacRef,
    Moment,
    ObservableRef,
    Port,
    ProcessRef,
    ResolvesRef,
    SampleRef,
    Texts,
    Timestamp,
    TrafficRef,
)

_EmailRefs = Annotated[list[EmailRef], Meta(min_length=1)]
_MacRefs = Annotated[list[MacRef], Meta(min_length=1)]
_SystemRefs = Annotated[list[AutonomousSystemRef], Meta(min_length=1)]


class Artifact(Observable, gc=False, kw_only=True):
    """Section 6.1."""

    mime_type: str | UnsetType = UNSET
    payload_bin: Binary | UnsetType = UNSET
    url: str | UnsetType = UNSET
    hashes: Hashes | UnsetType = UNSET
    encryption_algorithm: Literal["AES-256-GCM", "ChaCha20-Poly1305", "mime-type-indicated"] | UnsetType = UNSET
    decryption_key: str | UnsetType = UNSET


class AutonomousSystem(Observable, gc=False, kw_only=True):
    """Section 6.2."""

    number: Annotated[int, Meta(ge=0, le=4_294_967_295)]
    name: str | UnsetType = UNSET
    rir: str | UnsetType = UNSET


class Directory(Observable, gc=False, kw_only=True):
    """Section 6.3."""

    path: str
    path_enc: str | UnsetType = UNSET
    ctime: Moment | UnsetType = UNSET
    mtime: Moment | UnsetType = UNSET
    atime: Moment | UnsetType = UNSET
    contains_refs: Annotated[list[ContentRef], Meta(min_length=1)] | UnsetType = UNSET


class DomainName(Observable, gc=False, kw_only=True):
    """Section 6.4."""

    value: str
    resolves_to_refs: Annotated[list[ResolvesRef], Meta(min_length=1)] | UnsetType = UNSET


class EmailAddress(Observable, gc=False, kw_only=True):
    """Section 6.5."""

    value: str
    display_name: str | UnsetType = UNSET
    belongs_to_ref: AccountRef | UnsetType = UNSET


class MimePart(Struct, gc=False, kw_only=True):
    """Section 6.6.2."""

    body: str | UnsetType = UNSET
    body_raw_ref: SampleRef | UnsetType = UNSET
    content_type: str | UnsetType = UNSET
    content_disposition: str | UnsetType = UNSET


class EmailMessage(Observable, gc=False, kw_only=True):
    """Section 6.6."""

    is_multipart: bool
    date: Moment | UnsetType = UNSET
    content_type: str | UnsetType = UNSET
    from_ref: EmailRef | UnsetType = UNSET
    sender_ref: EmailRef | UnsetType = UNSET
    to_refs: _EmailRefs | UnsetType = UNSET
    cc_refs: _EmailRefs | UnsetType = UNSET
    bcc_refs: _EmailRefs | UnsetType = UNSET
    message_id: str | UnsetType = UNSET
    subject: str | UnsetType = UNSET
    received_lines: Texts | UnsetType = UNSET
    additional_header_fields: Dictionary | UnsetType = UNSET
    body: str | UnsetType = UNSET
    body_multipart: Annotated[list[MimePart], Meta(min_length=1)] | UnsetType = UNSET
    raw_email_ref: ArtifactRef | UnsetType = UNSET


class File(Observable, gc=False, kw_only=True):
    """Section 6.7."""

    extensions: FileExtensions | UnsetType = UNSET  # type: ignore[assignment]
    hashes: Hashes | UnsetType = UNSET
    size: Count | UnsetType = UNSET
    name: str | UnsetType = UNSET
    name_enc: str | UnsetType = UNSET
    magic_number_hex: Hex | UnsetType = UNSET
    mime_type: str | UnsetType = UNSET
    ctime: Moment | UnsetType = UNSET
    mtime: Moment | UnsetType = UNSET
    atime: Moment | UnsetType = UNSET
    parent_directory_ref: DirectoryRef | UnsetType = UNSET
    contains_refs: Annotated[list[ObservableRef], Meta(min_length=1)] | UnsetType = UNSET
    content_ref: ArtifactRef | UnsetType = UNSET


class Ipv4Address(Observable, gc=False, kw_only=True):
    """Section 6.8."""

    value: str
    resolves_to_refs: _MacRefs | UnsetType = UNSET
    belongs_to_refs: _SystemRefs | UnsetType = UNSET


class Ipv6Address(Observable, gc=False, kw_only=True):
    """Section 6.9."""

    value: str
    resolves_to_refs: _MacRefs | UnsetType = UNSET
    belongs_to_refs: _SystemRefs | UnsetType = UNSET


class MacAddress(Observable, gc=False, kw_only=True):
    """Section 6.10."""

    value: str


class Mutex(Observable, gc=False, kw_only=True):
    """Section 6.11."""

    name: str


class NetworkTraffic(Observable, gc=False, kw_only=True):
    """Section 6.12."""

    extensions: TrafficExtensions | UnsetType = UNSET  # type: ignore[assignment]
    start: Moment | UnsetType = UNSET
    end: Moment | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    src_ref: EndpointRef | UnsetType = UNSET
    dst_ref: EndpointRef | UnsetType = UNSET
    src_port: Port | UnsetType = UNSET
    dst_port: Port | UnsetType = UNSET
    protocols: Texts
    src_byte_count: Count | UnsetType = UNSET
    dst_byte_count: Count | UnsetType = UNSET
    src_packets: Count | UnsetType = UNSET
    dst_packets: Count | UnsetType = UNSET
    ipfix: Dictionary | UnsetType = UNSET
    src_payload_ref: ArtifactRef | UnsetType = UNSET
    dst_payload_ref: ArtifactRef | UnsetType = UNSET
    encapsulates_refs: Annotated[list[TrafficRef], Meta(min_length=1)] | UnsetType = UNSET
    encapsulated_by_ref: TrafficRef | UnsetType = UNSET


class Process(Observable, gc=False, kw_only=True):
    """Section 6.13."""

    extensions: ProcessExtensions | UnsetType = UNSET  # type: ignore[assignment]
    is_hidden: bool | UnsetType = UNSET
    pid: Integer | UnsetType = UNSET
    created_time: Moment | UnsetType = UNSET
    cwd: str | UnsetType = UNSET
    command_line: str | UnsetType = UNSET
    environment_variables: Dictionary | UnsetType = UNSET
    opened_connection_refs: Annotated[list[TrafficRef], Meta(min_length=1)] | UnsetType = UNSET
    creator_user_ref: AccountRef | UnsetType = UNSET
    image_ref: FileRef | UnsetType = UNSET
    parent_ref: ProcessRef | UnsetType = UNSET
    child_refs: Annotated[list[ProcessRef], Meta(min_length=1)] | UnsetType = UNSET


class Software(Observable, gc=False, kw_only=True):
    """Section 6.14."""

    name: str
    cpe: str | UnsetType = UNSET
    swid: str | UnsetType = UNSET
    languages: Texts | UnsetType = UNSET
    vendor: str | UnsetType = UNSET
    version: str | UnsetType = UNSET


class Url(Observable, gc=False, kw_only=True):
    """Section 6.15."""

    value: str


class UserAccount(Observable, gc=False, kw_only=True):
    """Section 6.16."""

    extensions: AccountExtensions | UnsetType = UNSET  # type: ignore[assignment]
    user_id: str | UnsetType = UNSET
    credential: str | UnsetType = UNSET
    account_login: str | UnsetType = UNSET
    account_type: str | UnsetType = UNSET
    display_name: str | UnsetType = UNSET
    is_service_account: bool | UnsetType = UNSET
    is_privileged: bool | UnsetType = UNSET
    can_escalate_privs: bool | UnsetType = UNSET
    is_disabled: bool | UnsetType = UNSET
    account_created: Moment | UnsetType = UNSET
    account_expires: Moment | UnsetType = UNSET
    credential_last_changed: Moment | UnsetType = UNSET
    account_first_login: Moment | UnsetType = UNSET
    account_last_login: Moment | UnsetType = UNSET


class RegistryValue(Struct, gc=False, kw_only=True):
    """Section 6.17.2."""

    name: str | UnsetType = UNSET
    data: str | UnsetType = UNSET
    data_type: (
        Literal[
            "REG_NONE",
            "REG_SZ",
            "REG_EXPAND_SZ",
            "REG_BINARY",
            "REG_DWORD",
            "REG_DWORD_BIG_ENDIAN",
            "REG_DWORD_LITTLE_ENDIAN",
            "REG_LINK",
            "REG_MULTI_SZ",
            "REG_RESOURCE_LIST",
            "REG_FULL_RESOURCE_DESCRIPTION",
            "REG_RESOURCE_REQUIREMENTS_LIST",
            "REG_QWORD",
            "REG_INVALID_TYPE",
        ]
        | UnsetType
    ) = UNSET


class RegistryKey(Observable, gc=False, kw_only=True):
    """Section 6.17."""

    key: str | UnsetType = UNSET
    values: Annotated[list[RegistryValue], Meta(min_length=1)] | UnsetType = UNSET
    modified_time: Moment | UnsetType = UNSET
    creator_user_ref: AccountRef | UnsetType = UNSET
    number_of_subkeys: Integer | UnsetType = UNSET


class CertificateExtensions(Struct, gc=False, kw_only=True):
    """Section 6.18.2; its many plain strings are kept and not checked one by one."""

    private_key_usage_period_not_before: Timestamp | UnsetType = UNSET
    private_key_usage_period_not_after: Timestamp | UnsetType = UNSET


class Certificate(Observable, gc=False, kw_only=True):
    """Section 6.18."""

    is_self_signed: bool | UnsetType = UNSET
    hashes: Hashes | UnsetType = UNSET
    version: str | UnsetType = UNSET
    serial_number: str | UnsetType = UNSET
    signature_algorithm: str | UnsetType = UNSET
    issuer: str | UnsetType = UNSET
    validity_not_before: Moment | UnsetType = UNSET
    validity_not_after: Moment | UnsetType = UNSET
    subject: str | UnsetType = UNSET
    subject_public_key_algorithm: str | UnsetType = UNSET
    subject_public_key_modulus: str | UnsetType = UNSET
    subject_public_key_exponent: Integer | UnsetType = UNSET
    x509_v3_extensions: CertificateExtensions | UnsetType = UNSET
