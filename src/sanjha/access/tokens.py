"""Organisations and their tokens. A secret is shown once and kept as its SHA-256: it is 256 random bits, not a password."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from sanjha.access.policy import Actor, Audience, Grant
from sanjha.access.tables import GRANT, ORGANISATION, TOKEN
from sanjha.errors import Conflict, NotFound, WrongUse
from sanjha.ids import new_uuid
from sanjha.storage.engine import Database

PREFIX: Final = "sanjha_"  #: lets secret scanners find a leaked token
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)
#: A token is looked up once in this time, so that a revocation takes effect at latest after it (microseconds).
FRESH: Final = 1_000_000
CACHED_TOKENS: Final = 10_000


class TokenListing(msgspec.Struct, omit_defaults=True):
    """A token as an administrator sees it; never its secret. Times are microseconds."""

    name: str
    organisation: str
    audience: str
    admin: bool
    created: int
    expires: int | None
    revoked: int | None
    grants: dict[str, str]  #: collection id: rights and ceiling


def add_organisation(connection: Connection, name: str, audience: Audience, now: int) -> int:
    """The organisation's key; the one that has this name already if its audience is the same, else ``Conflict``."""
    held = connection.execute(select(ORGANISATION).where(ORGANISATION.c.name == name)).one_or_none()
    if held is not None:
        if held.audience != audience:
            raise Conflict(f"{name!r} is known here as {held.audience}, not {audience}")
        return int(held.pk)
    values = {"id": new_uuid(), "name": name, "audience": audience.value, "created": now}
    return int(connection.execute(insert(ORGANISATION).values(values).returning(ORGANISATION.c.pk)).scalar_one())


class OrganisationListing(msgspec.Struct):
    """An organisation as an administrator sees it."""

    id: str
    name: str
    audience: str


def list_organisations(connection: Connection) -> list[OrganisationListing]:
    """Every organisation, in the order in which they came."""
    return [
        OrganisationListing(row.id, row.name, row.audience)
        for row in connection.execute(select(ORGANISATION).order_by(ORGANISATION.c.pk))
    ]


def find_organisation(connection: Connection, name: str) -> int:
    """The key of the organisation with this name. Raises ``NotFound``."""
    pk = connection.execute(select(ORGANISATION.c.pk).where(ORGANISATION.c.name == name)).scalar_one_or_none()
    if pk is None:
        raise NotFound(f"no organisation is named {name!r}; see: sanjha organisation list")
    return int(pk)


def create_token(
    connection: Connection,
    name: str,
    organisation: int,
    now: int,
    *,
    grants: Sequence[Grant] = (),
    admin: bool = False,
    expires: int | None = None,
    certificate: bytes | None = None,
) -> str:
    """Makes a token and returns its secret, the only time that anybody sees it.

    With ``certificate`` (DER) the token is that client certificate, and there is no secret: the empty string.

    Raises ``Conflict`` for a name in use and ``WrongUse`` for one that could not stand in an HTTP Basic user name.
    """
    if not _NAME.fullmatch(name):
        raise WrongUse(
            "a token's name has 1 to 64 letters, digits, '.', '_', '@' or '-', and begins with a letter or digit"
        )
    held = connection.execute(select(TOKEN.c.revoked).where(TOKEN.c.name == name)).first()
    if held is not None:
        was = "was" if held.revoked is not None else "is"
        raise Conflict(
            f"there {was} a token named {name!r} already, and no name is given twice: take another, like {name[:60]}-2"
        )
    secret = PREFIX + secrets.token_urlsafe(32) if certificate is None else ""
    digest = _digest(secret) if certificate is None else hashlib.sha256(certificate).digest()
    if connection.execute(select(TOKEN.c.pk).where(TOKEN.c.digest == digest)).first():
        raise Conflict("this certificate belongs to a token already")
    values = {
        "name": name, "organisation": organisation, "digest": digest, "admin": admin, "created": now,
        "expires": expires,
    }  # fmt: skip
    token = connection.execute(insert(TOKEN).values(values).returning(TOKEN.c.pk)).scalar_one()
    rows = [{"token": token, **msgspec.structs.asdict(grant)} for grant in grants]
    if rows:
        connection.execute(insert(GRANT), rows)
    return secret


def revoke_token(connection: Connection, name: str, now: int) -> None:
    """Ends a token for good; raises ``NotFound`` when there is none of that name in force."""
    done = connection.execute(update(TOKEN).where(TOKEN.c.name == name, TOKEN.c.revoked.is_(None)).values(revoked=now))
    if not done.rowcount:
        raise NotFound(f"no token in force is named {name!r}; see: sanjha token list")


def drop_grants(connection: Connection, collection: int) -> None:
    """When a collection goes, so do the rights in it."""
    connection.execute(delete(GRANT).where(GRANT.c.collection == collection))


def list_tokens(connection: Connection, collection_ids: dict[int, str]) -> list[TokenListing]:
    """Every token, by name."""
    rights: dict[int, dict[str, str]] = {}
    for row in connection.execute(select(GRANT)):
        word = ("read" if row.may_read else "") + ("write" if row.may_write else "")
        rights.setdefault(row.token, {})[collection_ids.get(row.collection, "?")] = f"{word}:{row.ceiling}"
    query = (
        select(TOKEN, ORGANISATION.c.name.label("org"), ORGANISATION.c.audience)
        .join(ORGANISATION, ORGANISATION.c.pk == TOKEN.c.organisation)
        .order_by(TOKEN.c.name)
    )
    return [
        TokenListing(
            row.name, row.org, row.audience, row.admin, row.created, row.expires, row.revoked, rights.get(row.pk, {})
        )
        for row in connection.execute(query)
    ]


def actor_named(connection: Connection, name: str) -> Actor:
    """The actor behind a token's name, for an administrator who asks "as" it. Raises ``NotFound``."""
    row = connection.execute(_token_query().where(TOKEN.c.name == name, TOKEN.c.revoked.is_(None))).one_or_none()
    if row is None:
        raise NotFound(f"no token in force is named {name!r}; see: sanjha token list")
    return _actor(connection, row)


def actor_of_token(connection: Connection, token: int, now: int) -> Actor | None:
    """The actor of a token that is still in force; for what it asked us to do while it is away."""
    if token == 0:
        return own_actor(connection)
    row = connection.execute(_token_query().where(TOKEN.c.pk == token)).one_or_none()
    return None if row is None or not _in_force(row, now) else _actor(connection, row)


def own_actor(connection: Connection) -> Actor:
    """The node's own administrator: whoever can read its files is that."""
    pk = connection.execute(select(ORGANISATION.c.pk).where(ORGANISATION.c.audience == Audience.OWN)).scalars().first()
    if pk is None:
        raise NotFound("this store has no organisation yet; run: sanjha init")
    return Actor(0, "administrator", int(pk), Audience.OWN, True, {})


class Tokens:
    """Who a secret belongs to, remembered for a second so that a busy reader costs no look-ups."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: dict[bytes, tuple[int, Actor | None]] = {}

    def actor(self, secret: str, now: int, *, user: str | None = None) -> Actor | None:
        """The actor, or None for a secret that is unknown, revoked, expired, or not that of ``user``."""
        actor = self.by_digest(_digest(secret), now)
        return None if actor is None or (user is not None and user != actor.name) else actor

    def by_digest(self, digest: bytes, now: int) -> Actor | None:
        """The actor of a secret or certificate by its SHA-256."""
        held = self._cache.get(digest)
        if held is None or not 0 <= now - held[0] <= FRESH:  # a clock that was set back makes it old too
            held = (now, self._load(digest, now))
            if len(self._cache) >= CACHED_TOKENS:
                self._cache.clear()
            self._cache[digest] = held
        return held[1]

    def _load(self, digest: bytes, now: int) -> Actor | None:
        with self._database.reading() as connection:
            row = connection.execute(_token_query().where(TOKEN.c.digest == digest)).one_or_none()
            return None if row is None or not _in_force(row, now) else _actor(connection, row)


def _in_force(row: Any, now: int) -> bool:
    return row.revoked is None and (row.expires is None or now < row.expires)


def _token_query() -> Any:
    return select(TOKEN, ORGANISATION.c.audience).join(ORGANISATION, ORGANISATION.c.pk == TOKEN.c.organisation)


def _actor(connection: Connection, row: Any) -> Actor:
    grants = {
        grant.collection: Grant(grant.collection, grant.may_read, grant.may_write, grant.ceiling)
        for grant in connection.execute(select(GRANT).where(GRANT.c.token == row.pk))
    }
    return Actor(row.pk, row.name, row.organisation, Audience(row.audience), row.admin, grants)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
