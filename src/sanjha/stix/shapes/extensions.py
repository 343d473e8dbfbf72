"""The extensions that STIX 2.1 itself defines for observables (section 6, beside the object that each extends)."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sanjha.stix.shapes.leaves import (
    ArtifactRef,
    ContentRef,
    Count,
    Dictionary,
    FileRef,
    Hashes,
    Hex,
    Integer,
    Texts,
    Timestamp,
)


class Archive(Struct, gc=False, kw_only=True):
    """Section 6.7.2."""

    contains_refs: Annotated[list[ContentRef], Meta(min_length=1)]
    comment: str | UnsetType = UNSET


class AlternateDataStream(Struct, gc=False, kw_only=True):
    """Section 6.7.3.2."""

    name: str
    hashes: Hashes | UnsetType = UNSET
    size: Count | UnsetType = UNSET


class Ntfs(Struct, gc=False, kw_only=True):
    """Section 6.7.3."""

    sid: str | UnsetType = UNSET
    alternate_data_streams: Annotated[list[AlternateDataStream], Meta(min_length=1)] | UnsetType = UNSET


class Pdf(Struct, gc=False, kw_only=True):
    """Section 6.7.4."""

    version: str | UnsetType = UNSET
    is_optimized: bool | UnsetType = UNSET
    document_info_dict: Dictionary | UnsetType = UNSET
    pdfid0: str | UnsetType = UNSET
    pdfid1: str | UnsetType = UNSET


class RasterImage(Struct, gc=False, kw_only=True):
    """Section 6.7.5."""

    image_height: Integer | UnsetType = UNSET
    image_width: Integer | UnsetType = UNSET
    bits_per_pixel: Integer | UnsetType = UNSET
    exif_tags: Dictionary | UnsetType = UNSET


class PeOptionalHeader(Struct, gc=False, kw_only=True):
    """Section 6.7.6.2; the many plain integers of it are not checked one by one."""

    magic_hex: Hex | UnsetType = UNSET
    size_of_code: Count | UnsetType = UNSET
    size_of_initialized_data: Count | UnsetType = UNSET
    size_of_uninitialized_data: Count | UnsetType = UNSET
    win32_version_value_hex: Hex | UnsetType = UNSET
    size_of_image: Count | UnsetType = UNSET
    size_of_headers: Count | UnsetType = UNSET
    checksum_hex: Hex | UnsetType = UNSET
    subsystem_hex: Hex | UnsetType = UNSET
    dll_characteristics_hex: Hex | UnsetType = UNSET
    loader_flags_hex: Hex | UnsetType = UNSET
    hashes: Hashes | UnsetType = UNSET


class PeSection(Struct, gc=False, kw_only=True):
    """Section 6.7.6.3."""

    name: str
    size: Count | UnsetType = UNSET
    entropy: float | UnsetType = UNSET
    hashes: Hashes | UnsetType = UNSET


class PeBinary(Struct, gc=False, kw_only=True):
    """Section 6.7.6."""

    pe_type: str
    imphash: str | UnsetType = UNSET
    machine_hex: Hex | UnsetType = UNSET
    number_of_sections: Count | UnsetType = UNSET
    time_date_stamp: Timestamp | UnsetType = UNSET
    pointer_to_symbol_table_hex: Hex | UnsetType = UNSET
    number_of_symbols: Count | UnsetType = UNSET
    size_of_optional_header: Count | UnsetType = UNSET
    characteristics_hex: Hex | UnsetType = UNSET
    file_header_hashes: Hashes | UnsetType = UNSET
    optional_header: PeOptionalHeader | UnsetType = UNSET
    sections: Annotated[list[PeSection], Meta(min_length=1)] | UnsetType = UNSET


class HttpRequest(Struct, gc=False, kw_only=True):
    """Section 6.12.2."""

    request_method: str
    request_value: str
    request_version: str | UnsetType = UNSET
    request_header: Dictionary | UnsetType = UNSET
    message_body_length: Integer | UnsetType = UNSET
    message_body_data_ref: ArtifactRef | UnsetType = UNSET


class Icmp(Struct, gc=False, kw_only=True):
    """Section 6.12.3."""

    icmp_type_hex: Hex
    icmp_code_hex: Hex


class Socket(Struct, gc=False, kw_only=True):
    """Section 6.12.4."""

    address_family: Literal[
        "AF_UNSPEC", "AF_INET", "AF_IPX", "AF_APPLETALK", "AF_NETBIOS", "AF_INET6", "AF_IRDA", "AF_BTH"
    ]
    is_blocking: bool | UnsetType = UNSET
    is_listening: bool | UnsetType = UNSET
    options: Annotated[dict[str, Integer], Meta(min_length=1)] | UnsetType = UNSET
    socket_type: Literal["SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW", "SOCK_RDM", "SOCK_SEQPACKET"] | UnsetType = UNSET
    socket_descriptor: Count | UnsetType = UNSET
    socket_handle: Integer | UnsetType = UNSET


class Tcp(Struct, gc=False, kw_only=True):
    """Section 6.12.5."""

    src_flags_hex: Hex | UnsetType = UNSET
    dst_flags_hex: Hex | UnsetType = UNSET


class WindowsProcess(Struct, gc=False, kw_only=True):
    """Section 6.13.2."""

    aslr_enabled: bool | UnsetType = UNSET
    dep_enabled: bool | UnsetType = UNSET
    priority: str | UnsetType = UNSET
    owner_sid: str | UnsetType = UNSET
    window_title: str | UnsetType = UNSET
    startup_info: Dictionary | UnsetType = UNSET
    integrity_level: Literal["low", "medium", "high", "system"] | UnsetType = UNSET


class WindowsService(Struct, gc=False, kw_only=True):
    """Section 6.13.3."""

    service_name: str | UnsetType = UNSET
    descriptions: Texts | UnsetType = UNSET
    display_name: str | UnsetType = UNSET
    group_name: str | UnsetType = UNSET
    start_type: (
        Literal[
            "SERVICE_AUTO_START",
            "SERVICE_BOOT_START",
            "SERVICE_DEMAND_START",
            "SERVICE_DISABLED",
            "SERVICE_SYSTEM_ALERT",
        ]
        | UnsetType
    ) = UNSET
    service_dll_refs: Annotated[list[FileRef], Meta(min_length=1)] | UnsetType = UNSET
    service_type: (
        Literal[
            "SERVICE_KERNEL_DRIVER",
            "SERVICE_FILE_SYSTEM_DRIVER",
            "SERVICE_WIN32_OWN_PROCESS",
            "SERVICE_WIN32_SHARE_PROCESS",
        ]
        | UnsetType
    ) = UNSET
    service_status: (
        Literal[
            "SERVICE_CONTINUE_PENDING",
            "SERVICE_PAUSE_PENDING",
            "SERVICE_PAUSED",
            "SERVICE_RUNNING",
            "SERVICE_START_PENDING",
            "SERVICE_STOP_PENDING",
            "SERVICE_STOPPED",
        ]
        | UnsetType
    ) = UNSET


class UnixAccount(Struct, gc=False, kw_only=True):
    """Section 6.16.2."""

    gid: Integer | UnsetType = UNSET
    groups: Texts | UnsetType = UNSET
    home_dir: str | UnsetType = UNSET
    shell: str | UnsetType = UNSET


#: A body that is not one of the above: kept as it came.
AnyBody = dict[str, Any]


class FileExtensions(
    Struct,
    gc=False,
    kw_only=True,
    rename={
        "archive": "archive-ext",
        "ntfs": "ntfs-ext",
        "pdf": "pdf-ext",
        "raster_image": "raster-image-ext",
        "pe_binary": "windows-pebinary-ext",
    },
):
    """Extensions of a file."""

    archive: Archive | UnsetType = UNSET
    ntfs: Ntfs | UnsetType = UNSET
    pdf: Pdf | UnsetType = UNSET
    raster_image: RasterImage | UnsetType = UNSET
    pe_binary: PeBinary | UnsetType = UNSET


class TrafficExtensions(
    Struct,
    gc=False,
    kw_only=True,
    rename={"http": "http-request-ext", "icmp": "icmp-ext", "socket": "socket-ext", "tcp": "tcp-ext"},
):
    """Extensions of network traffic."""

    http: HttpRequest | UnsetType = UNSET
    icmp: Icmp | UnsetType = UNSET
    socket: Socket | UnsetType = UNSET
    tcp: Tcp | UnsetType = UNSET


class ProcessExtensions(
    Struct, gc=False, kw_only=True, rename={"process": "windows-process-ext", "service": "windows-service-ext"}
):
    """Extensions of a process."""

    process: WindowsProcess | UnsetType = UNSET
    service: WindowsService | UnsetType = UNSET


class AccountExtensions(Struct, gc=False, kw_only=True, rename={"unix": "unix-account-ext"}):
    """Extensions of a user account."""

    unix: UnixAccount | UnsetType = UNSET
