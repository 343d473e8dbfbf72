"""Cyber-observables: their deterministic ids (STIX 2.1 section 2.9) and the values in them that go into the index."""

import json
import uuid
from typing import Any, Final

import rfc8785

from sanjha.errors import Malformed
from sanjha.stix.patterns import Indexed
from sanjha.stix.values import canonical, hash_kind

NAMESPACE: Final = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
_HASH_CHOICE: Final = ("MD5", "SHA-1", "SHA-256", "SHA-512")  #: section 2.9: the first of these that is there
#: ID contributing properties, by type (sections 6.1 to 6.18); process has none.
_CONTRIBUTING: Final[dict[str, tuple[str, ...]]] = {
    "artifact": ("hashes", "payload_bin"),
    "autonomous-system": ("number",),
    "directory": ("path",),
    "domain-name": ("value",),
    "email-addr": ("value",),
    "email-message": ("from_ref", "subject", "body"),
    "file": ("hashes", "name", "extensions", "parent_directory_ref"),
    "ipv4-addr": ("value",),
    "ipv6-addr": ("value",),
    "mac-addr": ("value",),
    "mutex": ("name",),
    "network-traffic": ("start", "end", "src_ref", "dst_ref", "src_port", "dst_port", "protocols", "extensions"),
    "software": ("name", "cpe", "swid", "vendor", "version"),
    "url": ("value",),
    "user-account": ("account_type", "user_id", "account_login"),
    "windows-registry-key": ("key", "values"),
    "x509-certificate": ("hashes", "serial_number"),
}
#: type -> (kind, property) of values that stand as a string or number in one property.
_PLAIN: Final[dict[str, tuple[str, str]]] = {
    "artifact": ("url", "url"),
    "autonomous-system": ("asn", "number"),
    "domain-name": ("domain", "value"),
    "email-addr": ("email", "value"),
    "file": ("file-name", "name"),
    "ipv4-addr": ("ipv4", "value"),
    "ipv6-addr": ("ipv6", "value"),
    "mac-addr": ("mac", "value"),
    "url": ("url", "value"),
}
_HASHED: Final = frozenset(("artifact", "file", "x509-certificate"))
#: Types whose value either is one or is wrong: sections 6.8 to 6.10 name a closed syntax.
CLOSED_SYNTAX: Final = frozenset(("ipv4-addr", "ipv6-addr", "mac-addr"))


def deterministic_id(tree: dict[str, Any]) -> str | None:
    """The id that section 2.9 gives to an observable with these properties.

    None where it gives none: no contributing property, another type, or content that canonical JSON (RFC 8785) cannot
    write.
    """
    kind = tree.get("type")
    names = _CONTRIBUTING.get(kind) if isinstance(kind, str) else None
    if names is None:
        return None
    chosen = {name: tree[name] for name in names if name in tree}
    if "hashes" in chosen:
        chosen["hashes"] = _one_hash(chosen["hashes"])
    if not chosen:
        return None
    if len(chosen) == 1 and type(text := chosen.get("value")) is str:
        # One string: Python escapes it exactly as RFC 8785 asks, several times faster.
        written = '{"value":' + json.dumps(text, ensure_ascii=False) + "}"
    else:
        try:
            written = rfc8785.dumps(chosen).decode()
        except (ValueError, RecursionError):
            return None
    return f"{kind}--{uuid.uuid5(NAMESPACE, written)}"


def _one_hash(hashes: Any) -> Any:
    if type(hashes) is not dict:
        return hashes
    for name in _HASH_CHOICE:
        if name in hashes:
            return {name: hashes[name]}
    return dict(list(hashes.items())[:1])


def indexed(kind: str, tree: dict[str, Any]) -> tuple[list[Indexed], list[tuple[str, str]]]:
    """The values of an observable of type ``kind``: those that read, and (property, reason) of those that do not.

    An observable is a sight, not a verdict, so that no value of it stands ``alone``.
    """
    found: list[Indexed] = []
    faults: list[tuple[str, str]] = []
    plain = _PLAIN.get(kind)
    if plain is not None:
        value = tree.get(plain[1])
        if type(value) is int:
            value = str(value)
        if type(value) is str:
            try:
                read = canonical(plain[0], value)
                found.append(Indexed(read.kind, read.text, False))
            except Malformed as error:
                faults.append((plain[1], str(error)))
    if kind in _HASHED and type(hashes := tree.get("hashes")) is dict:
        for name, value in hashes.items():
            if type(value) is str:
                try:
                    read = canonical(hash_kind(name), value)
                    found.append(Indexed(read.kind, read.text, False))
                except Malformed as error:
                    faults.append((f"hashes.{name}", str(error)))
    return found, faults
