"""Tokens: who holds which, for how long, and how soon a revocation is felt."""

from collections.abc import Iterator

import pytest

from sanjha.access.policy import Audience, Grant
from sanjha.access.tokens import (
    CACHED_TOKENS,
    FRESH,
    Tokens,
    actor_named,
    actor_of_token,
    add_organisation,
    create_token,
    drop_grants,
    list_tokens,
    own_actor,
    revoke_token,
)
from sanjha.errors import Conflict, NotFound, WrongUse
from sanjha.stix.markings import Tlp
from tests.store import START, Store, sqlite_store


@pytest.fixture
def store() -> Iterator[Store]:
    with sqlite_store() as made:
        yield made


def make(store: Store, name: str = "reader", expires: int | None = None, grants: tuple[Grant, ...] = ()) -> str:
    with store.database.writing() as connection:
        organisation = add_organisation(connection, "Example", Audience.MEMBER, START)
        return create_token(connection, name, organisation, START, grants=grants, expires=expires)


def test_a_secret_leads_to_its_actor_and_is_kept_only_as_a_digest(store: Store) -> None:
    shelf = store.collection()
    secret = make(store, grants=(Grant(shelf.pk, True, False, Tlp.AMBER),))
    actor = Tokens(store.database).actor(secret, START)
    assert actor is not None
    assert (actor.name, actor.audience, actor.admin) == ("reader", Audience.MEMBER, False)
    assert actor.grants == {shelf.pk: Grant(shelf.pk, True, False, Tlp.AMBER)}
    assert len(secret) > 43
    assert secret.startswith("sanjha_")
    assert all(secret.encode() not in bytes(row[0]) for row in store.rows("SELECT digest FROM token"))


@pytest.mark.parametrize("secret", ["", "sanjha_", "x" * 10_000, "\0", "\udcff", "sanjha_ä"])
def test_an_unknown_secret_is_nobody(store: Store, secret: str) -> None:
    make(store)
    assert Tokens(store.database).actor(secret, START) is None


def test_a_token_ends_at_its_time(store: Store) -> None:
    secret = make(store, expires=START + 10 * FRESH)
    assert Tokens(store.database).actor(secret, START + 10 * FRESH - 1) is not None
    assert Tokens(store.database).actor(secret, START + 10 * FRESH) is None


def test_a_revocation_is_felt_within_a_second_also_where_the_token_is_in_use(store: Store) -> None:
    secret, tokens = make(store), Tokens(store.database)
    assert tokens.actor(secret, START) is not None
    with store.database.writing() as connection:
        revoke_token(connection, "reader", START)
    assert tokens.actor(secret, START + FRESH + 1) is None
    assert Tokens(store.database).actor(secret, START) is None


def test_a_clock_that_is_put_back_keeps_no_token_alive(store: Store) -> None:
    secret, tokens = make(store), Tokens(store.database)
    assert tokens.actor(secret, START) is not None
    with store.database.writing() as connection:
        revoke_token(connection, "reader", START)
    assert tokens.actor(secret, START - 3_600 * FRESH) is None


def test_what_is_remembered_has_a_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sanjha.access.tokens.CACHED_TOKENS", 50)
    secret, tokens = make(store), Tokens(store.database)
    for number in range(200):
        assert tokens.actor(f"guess {number}", START) is None
        assert len(tokens._cache) <= 50 < CACHED_TOKENS
    assert tokens.actor(secret, START) is not None


def test_a_secret_under_another_name_is_nobody(store: Store) -> None:
    secret, tokens = make(store), Tokens(store.database)
    assert tokens.actor(secret, START, user="reader") is not None
    assert tokens.actor(secret, START, user="Reader") is None
    assert tokens.actor(secret, START, user="") is None


@pytest.mark.parametrize("name", ["", " ", "a b", "a:b", "ä", "-a", "a" * 65, "a\n", "a\0"])
def test_a_name_that_could_not_be_a_basic_user_is_refused(store: Store, name: str) -> None:
    with pytest.raises(WrongUse, match="name"):
        make(store, name)


def test_names_and_certificates_are_given_once(store: Store) -> None:
    make(store)
    with pytest.raises(Conflict, match="already"):
        make(store)
    with store.database.writing() as connection:
        create_token(connection, "one", 1, START, certificate=b"DER")
        with pytest.raises(Conflict, match="certificate"):
            create_token(connection, "two", 1, START, certificate=b"DER")


def test_a_token_can_be_revoked_once_and_its_name_is_not_given_again(store: Store) -> None:
    make(store)
    with store.database.writing() as connection:
        revoke_token(connection, "reader", START)
        for name in ("reader", "nobody"):
            with pytest.raises(NotFound):
                revoke_token(connection, name, START)
        with pytest.raises(NotFound):
            actor_named(connection, "reader")
    with pytest.raises(Conflict):
        make(store)


def test_what_a_token_asked_for_ends_with_it(store: Store) -> None:
    make(store, expires=START + 5)
    owner = store.owner()
    with store.database.writing() as connection:
        pk = actor_named(connection, "reader").token
        assert actor_of_token(connection, pk, START) is not None
        assert actor_of_token(connection, pk, START + 5) is None
        assert actor_of_token(connection, 99, START) is None
        assert actor_of_token(connection, 0, START) == owner == own_actor(connection)
        revoke_token(connection, "reader", START)
        assert actor_of_token(connection, pk, START) is None


def test_a_store_without_its_own_organisation_says_what_to_do(store: Store) -> None:
    with store.database.reading() as connection, pytest.raises(NotFound, match="sanjha init"):
        own_actor(connection)


def test_an_organisation_has_one_audience(store: Store) -> None:
    with store.database.writing() as connection:
        one = add_organisation(connection, "Example", Audience.MEMBER, START)
        assert add_organisation(connection, "Example", Audience.MEMBER, START) == one
        with pytest.raises(Conflict, match="known here as member"):
            add_organisation(connection, "Example", Audience.OWN, START)


def test_the_list_shows_rights_and_no_secret(store: Store) -> None:
    shelf = store.collection()
    secret = make(store, grants=(Grant(shelf.pk, True, True, Tlp.GREEN),))
    with store.database.writing() as connection:
        (listed,) = list_tokens(connection, {shelf.pk: shelf.id})
        assert listed.grants == {shelf.id: "readwrite:1"}
        assert secret not in repr(listed)
        drop_grants(connection, shelf.pk)
        assert list_tokens(connection, {})[0].grants == {}
