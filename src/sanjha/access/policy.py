"""May this actor do this action on this collection? One table, and nothing is allowed that it does not name."""

from enum import StrEnum
from typing import Final

import msgspec

from sanjha.access.actions import Action
from sanjha.errors import Forbidden
from sanjha.stix.markings import Tlp


class Audience(StrEnum):
    """What an organisation is to this node; it bounds how far TLP lets intelligence go (FIRST TLP 2.0)."""

    OWN = "own"  # the organisation that runs the node
    CLIENT = "client"  # its constituency: operators, ministries
    MEMBER = "member"  # another member state, or its peer node
    OBSERVER = "observer"  # an outside expert or the public


#: The strictest marking that may leave for each audience. RED and AMBER+STRICT never leave; AMBER is for one's own clients;
#: GREEN is for the community of members.
LEAVES_FOR: Final[dict[Audience, Tlp]] = {
    Audience.OWN: Tlp.RED,
    Audience.CLIENT: Tlp.AMBER,
    Audience.MEMBER: Tlp.GREEN,
    Audience.OBSERVER: Tlp.CLEAR,
}


class Grant(msgspec.Struct, frozen=True):
    """What a token may do in one collection; ``ceiling``: the strictest TLP it is shown."""

    collection: int
    may_read: bool
    may_write: bool
    ceiling: int


class Actor(msgspec.Struct, frozen=True):
    """Whoever asks. ``grants`` by collection key; an administrator's reach every collection."""

    token: int
    name: str
    organisation: int
    audience: Audience
    admin: bool
    grants: dict[int, Grant]

    def grant(self, collection: int) -> Grant | None:
        """The right in one collection, bounded by what may leave for this audience; None: no grant, nobody."""
        if self.admin:
            return Grant(collection, True, True, LEAVES_FOR[self.audience])
        held = self.grants.get(collection)
        if held is None:
            return None
        return Grant(collection, held.may_read, held.may_write, min(held.ceiling, LEAVES_FOR[self.audience]))


_READS: Final = frozenset(
    {
        Action.READ_OBJECTS, Action.LOOK_UP, Action.SEARCH, Action.EXPORT, Action.FOLLOW_STREAM, Action.SUBSCRIBE,
    }
)  # fmt: skip
_WRITES: Final = frozenset({Action.WRITE_OBJECTS, Action.REPORT_SIGHTING, Action.PROPOSE_FALSE_POSITIVE})
_BOTH: Final = frozenset({Action.DELETE_OBJECTS})
_ANYBODY: Final = frozenset({Action.READ_STATUS, Action.WATCH_OWN})
_ADMINISTRATOR: Final = frozenset(
    {
        Action.READ_VARIANTS, Action.MANAGE_FEEDS, Action.MANAGE_TOKENS, Action.MANAGE_COLLECTIONS,
        Action.MANAGE_WARNING_LISTS,
    }
)  # fmt: skip


def administrative(action: Action) -> bool:
    """Whether only administrators may do this, wherever."""
    return action in _ADMINISTRATOR


def allows(actor: Actor, action: Action, collection: int | None = None) -> bool:
    """Whether the table has a row for this. An action on collections needs the collection to be named."""
    if action in _ADMINISTRATOR:
        return actor.admin
    if action in _ANYBODY:
        return True
    grant = None if collection is None else actor.grant(collection)
    if grant is None:
        return False
    if action in _READS:
        return grant.may_read
    if action in _WRITES:
        return grant.may_write
    return action in _BOTH and grant.may_read and grant.may_write


def require(actor: Actor, action: Action, collection: int | None = None) -> None:
    """Raises ``Forbidden`` where ``allows`` says no."""
    if not allows(actor, action, collection):
        if action in _ADMINISTRATOR:
            raise Forbidden(
                f"only an administrator's token may do that ({action}): sanjha token create --admin",
                rule=f"access.{action}",
                actor=actor.name,
            )
        raise Forbidden(
            f"this token may not do that ({action}); an administrator can grant it: sanjha token create --grant …",
            rule=f"access.{action}",
            actor=actor.name,
        )
