"""Default deny: every action has a row here, and nothing is allowed that the row does not say."""

import itertools

import pytest

from sanjha.access.actions import Action
from sanjha.access.policy import LEAVES_FOR, Actor, Audience, Grant, administrative, allows, require
from sanjha.errors import Forbidden
from sanjha.stix.markings import Tlp

HERE, THERE = 1, 2
READ, WRITE, BOTH, ANYBODY, ADMINISTRATOR = "read", "write", "read and write", "anybody", "administrator"

#: Written a second time on purpose: a new action without a decision fails here.
WHO = {
    Action.READ_OBJECTS: READ,
    Action.LOOK_UP: READ,
    Action.SEARCH: READ,
    Action.EXPORT: READ,
    Action.FOLLOW_STREAM: READ,
    Action.SUBSCRIBE: READ,
    Action.WRITE_OBJECTS: WRITE,
    Action.REPORT_SIGHTING: WRITE,
    Action.PROPOSE_FALSE_POSITIVE: WRITE,
    Action.DELETE_OBJECTS: BOTH,
    Action.READ_STATUS: ANYBODY,
    Action.WATCH_OWN: ANYBODY,
    Action.READ_VARIANTS: ADMINISTRATOR,
    Action.MANAGE_FEEDS: ADMINISTRATOR,
    Action.MANAGE_TOKENS: ADMINISTRATOR,
    Action.MANAGE_COLLECTIONS: ADMINISTRATOR,
    Action.MANAGE_WARNING_LISTS: ADMINISTRATOR,
}


def somebody(read: bool, write: bool, *, admin: bool = False, audience: Audience = Audience.CLIENT) -> Actor:
    return Actor(1, "somebody", 7, audience, admin, {HERE: Grant(HERE, read, write, Tlp.RED)})


def test_every_action_has_a_row() -> None:
    assert set(WHO) == set(Action)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize(("read", "write"), list(itertools.product((False, True), repeat=2)))
def test_a_right_allows_what_the_table_says_and_only_where_it_is_held(action: Action, read: bool, write: bool) -> None:
    actor = somebody(read, write)
    expected = {READ: read, WRITE: write, BOTH: read and write, ANYBODY: True, ADMINISTRATOR: False}[WHO[action]]
    assert allows(actor, action, HERE) is expected
    assert allows(actor, action, THERE) is (WHO[action] == ANYBODY)
    assert allows(actor, action) is (WHO[action] == ANYBODY)


@pytest.mark.parametrize("action", Action)
def test_an_administrator_may_do_all_where_a_collection_is_named(action: Action) -> None:
    admin = Actor(1, "admin", 7, Audience.OWN, True, {})
    assert allows(admin, action, THERE)
    assert allows(admin, action) is (WHO[action] in (ANYBODY, ADMINISTRATOR))
    assert administrative(action) is (WHO[action] == ADMINISTRATOR)


def test_an_action_that_the_table_does_not_name_is_refused() -> None:
    assert not allows(somebody(True, True), "no.such-action", HERE)  # type: ignore[arg-type]
    assert not allows(somebody(True, True, admin=True), "no.such-action", None)  # type: ignore[arg-type]


def test_a_refusal_says_what_would_help_and_names_the_rule() -> None:
    with pytest.raises(Forbidden, match="sanjha token create") as refused:
        require(somebody(False, True), Action.READ_OBJECTS, HERE)
    assert refused.value.rule == "access.objects.read"
    require(somebody(True, False), Action.READ_OBJECTS, HERE)


@pytest.mark.parametrize("audience", Audience)
@pytest.mark.parametrize("ceiling", Tlp)
def test_no_grant_reaches_beyond_what_may_leave(audience: Audience, ceiling: Tlp) -> None:
    actor = Actor(1, "a", 7, audience, False, {HERE: Grant(HERE, True, True, ceiling)})
    held = actor.grant(HERE)
    assert held is not None
    assert held.ceiling == min(ceiling, LEAVES_FOR[audience])
    assert actor.grant(THERE) is None


def test_red_and_amber_strict_leave_for_nobody_outside() -> None:
    assert set(LEAVES_FOR) == set(Audience)
    outside = [LEAVES_FOR[audience] for audience in Audience if audience is not Audience.OWN]
    assert max(outside) == Tlp.AMBER
    assert LEAVES_FOR[Audience.MEMBER] == Tlp.GREEN
    assert LEAVES_FOR[Audience.OBSERVER] == Tlp.CLEAR


@pytest.mark.parametrize("audience", Audience)
def test_an_administrator_elsewhere_sees_no_more_than_may_leave(audience: Audience) -> None:
    held = Actor(1, "a", 7, audience, True, {}).grant(THERE)
    assert held is not None
    assert held.ceiling == LEAVES_FOR[audience]
