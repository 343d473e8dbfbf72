"""What an installation can set: ``node.toml`` in its folder. One field a setting; an unknown one is an error."""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from sanjha.errors import WrongUse

FILE: Final = "node.toml"
KEY_FILE: Final = "node.key"
STORE_FILE: Final = "store.db"
FOLDER_VARIABLE: Final = "SANJHA_NODE"  #: how the serving processes learn which node they are

Role = Literal["member", "host", "observer", "sector", "operator"]
_MEMBER: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,30}", re.ASCII)


class Config(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One installation. Sizes are bytes, times seconds."""

    member: str  #: short name of the member state or operator, ``pk``
    role: Role = "member"
    title: str = ""
    database: str = ""  #: URL; empty: SQLite in this folder
    origin: str = ""  #: how others reach this node, ``https://cert.example``; empty: links are relative
    listen: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 8720
    max_content_length: Annotated[int, msgspec.Meta(ge=1_024)] = 32 * 1024 * 1024
    page_size: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1_000  #: most objects a page, and the default
    requests_per_minute: Annotated[int, msgspec.Meta(ge=0)] = 0  #: a token; 0: no limit
    status_hours: Annotated[int, msgspec.Meta(ge=24)] = 48  #: TAXII 2.1, section 4.3: at least 24
    #: Addresses of proxies whose ``Client-Cert`` header (RFC 9440) is believed.
    trusted_proxies: list[str] = []
    #: Networks or host names inside which feeds, peers and webhooks may be reached though they are private.
    allow_private: list[str] = []
    #: A bearer token for ``/metrics``; empty: only loopback may read it.
    metrics_token: str = ""


def load(folder: Path) -> Config:
    """Reads ``node.toml``. Raises ``WrongUse`` with what is wrong and where."""
    path = folder / FILE
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Config)
    except FileNotFoundError:
        raise WrongUse(
            f"{folder} is not a node: there is no {FILE} in it. Make one with: sanjha init {folder} --member pk"
        ) from None
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise WrongUse(f"{path}: {error}") from None
    except OSError as error:
        raise WrongUse(f"cannot read {path}: {error.strerror}") from None


def save(folder: Path, config: Config) -> None:
    """Writes ``node.toml``; settings at their defaults are left out, so that the file says what was chosen."""
    check(config)
    path = folder / FILE
    path.touch(mode=0o600)  # a database URL may have a password in it
    path.write_bytes(msgspec.toml.encode(chosen(config)))


def check(config: Config) -> None:
    """Raises ``WrongUse`` for what the types alone do not say."""
    if not _MEMBER.fullmatch(config.member):
        raise WrongUse("a member's name has lower-case letters, digits and '-', like: pk")


def private_store(folder: Path, config: Config) -> None:
    """Makes the file for SQLite to fill, for this user's eyes; nothing where the store is elsewhere."""
    if not config.database:
        (folder / STORE_FILE).touch(mode=0o600)


def chosen(config: Config) -> dict[str, Any]:
    """The settings that are not at their defaults."""
    return {
        field.name: getattr(config, field.name)
        for field in msgspec.structs.fields(Config)
        if field.required
        or getattr(config, field.name) != (field.default if field.default is not msgspec.NODEFAULT else [])
    }


def database_url(folder: Path, config: Config) -> str:
    """The store's URL; a relative SQLite path is relative to the node's folder."""
    return config.database or f"sqlite:///{(folder / STORE_FILE).resolve()}"
