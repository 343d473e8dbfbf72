"""Making a token for somebody: whose it is, and which rights it may be given."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from sanjha.access.policy import LEAVES_FOR, Actor, Audience, Grant
from sanjha.access.tables import ORGANISATION
from sanjha.access.tokens import add_organisation, create_token
from sanjha.errors import Forbidden
from sanjha.exchange.collections import find_collection
from sanjha.stix.markings import Tlp


class Right(NamedTuple):
    """A right in a collection, which is named by id, alias or title; ``ceiling``: the strictest marking it is shown."""

    collection: str
    may_read: bool
    may_write: bool
    ceiling: Tlp


def make_token(
    connection: Connection,
    by: Actor,
    name: str,
    rights: Sequence[Right],
    now: int,
    *,
    admin: bool = False,
    organisation: str | None = None,
    audience: Audience | None = None,
    expires: int | None = None,
    certificate: bytes | None = None,
) -> str:
    """The secret of a new token. Without ``organisation`` an administrator's belongs to the maker's own organisation, and
    any other to one of its own name, a member's unless ``audience`` says otherwise.

    Raises ``Forbidden`` where the new token would reach further than its maker, ``Conflict`` and ``WrongUse`` as
    ``create_token``, ``NotFound`` for a collection that is none.
    """
    if admin and organisation is None and audience in (None, by.audience):
        owner, reach = by.organisation, by.audience
    else:
        reach = audience or _audience_of(connection, organisation) or Audience.MEMBER
        owner = add_organisation(connection, organisation or f"token:{name}", reach, now)
    if LEAVES_FOR[reach] > LEAVES_FOR[by.audience]:
        raise Forbidden(f"a token for {reach} reaches further than yours", rule="access.tokens.reach")
    grants = [
        Grant(find_collection(connection, each.collection).pk, each.may_read, each.may_write, int(each.ceiling))
        for each in rights
    ]
    return create_token(
        connection, name, owner, now, grants=grants, admin=admin, expires=expires, certificate=certificate
    )


def _audience_of(connection: Connection, organisation: str | None) -> Audience | None:
    """What an organisation that is known here already is to this node."""
    held = connection.execute(select(ORGANISATION.c.audience).where(ORGANISATION.c.name == organisation)).scalar()
    return None if held is None else Audience(held)
