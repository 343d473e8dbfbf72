"""The node's own key: Ed25519 (RFC 8032), in a file that only its user can read."""

import hashlib
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from sanjha.errors import WrongUse


class NodeKey:
    """``id`` is the node: the SHA-256 of its raw public key, in hex."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = hashlib.sha256(self.public).hexdigest()

    @classmethod
    def generate(cls) -> "NodeKey":
        """A new key from the system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> "NodeKey":
        """Raises ``WrongUse`` for a file that is missing or no Ed25519 key."""
        try:
            return cls.from_pem(path.read_bytes())
        except OSError as error:
            raise WrongUse(f"cannot read the node's key {path}: {error.strerror}; restore it from a backup") from None
        except WrongUse as error:
            raise WrongUse(f"cannot read the node's key {path}: {error.public}; restore it from a backup") from None

    @classmethod
    def from_pem(cls, pem: bytes) -> "NodeKey":
        """Raises ``WrongUse`` for what is no Ed25519 key in PEM."""
        try:
            private = load_pem_private_key(pem, None)
        except (ValueError, TypeError) as error:
            raise WrongUse(f"no private key in PEM form ({type(error).__name__})") from None
        if not isinstance(private, Ed25519PrivateKey):
            raise WrongUse("another kind of key than Ed25519")
        return cls(private)

    def pem(self) -> bytes:
        """The private key as it is written to the file and the backup."""
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def save(self, path: Path) -> None:
        """Writes the file for its user alone; never over one that is there."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(self.pem())
            file.flush()
            os.fsync(file.fileno())

    def secret(self, purpose: str) -> bytes:
        """32 bytes for one purpose (cursors, webhooks), the same in every process of the node."""
        return hashlib.sha256(
            b"sanjha/secret/1\0" + purpose.encode() + b"\0" + self._private.private_bytes_raw()
        ).digest()
