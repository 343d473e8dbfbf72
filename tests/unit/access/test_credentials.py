"""From a header to an actor: what holds, what does not, and that nothing raises."""

import base64
from collections.abc import Iterator

import hypothesis.strategies as st
import pytest
from hypothesis import given

from sanjha.access.credentials import LONGEST_HEADER, Credentials
from sanjha.access.policy import Audience
from sanjha.access.tokens import PREFIX, Tokens, add_organisation, create_token
from tests.store import START, Store, sqlite_store

DER = b"0\x82\x01\x0athe certificate of a client"
PROXY = "192.0.2.1"


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with sqlite_store() as made:
        yield made


@pytest.fixture(scope="module")
def secret(store: Store) -> str:
    with store.database.writing() as connection:
        organisation = add_organisation(connection, "Example", Audience.MEMBER, START)
        create_token(connection, "machine", organisation, START, certificate=DER)
        return create_token(connection, "reader", organisation, START)


@pytest.fixture(scope="module")
def door(store: Store, secret: str) -> Credentials:
    return Credentials(Tokens(store.database), [PROXY, "2001:db8::/64"])


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def certificate(der: bytes) -> str:
    return ":" + base64.b64encode(der).decode() + ":"


def name(door: Credentials, authorization: str | None, cert: str | None = None, peer: str | None = None) -> str | None:
    actor = door.actor(authorization, cert, peer, START)
    return None if actor is None else actor.name


def test_a_bearer_token_and_a_basic_password_hold(door: Credentials, secret: str) -> None:
    assert name(door, f"Bearer {secret}") == "reader"
    assert name(door, f"bearer   {secret} ") == "reader"
    assert name(door, basic("reader", secret)) == "reader"
    assert name(door, basic("reader", secret).replace("Basic", "bAsIc")) == "reader"


def test_a_secret_alone_holds_as_misp_sends_it(door: Credentials, secret: str) -> None:
    assert name(door, secret) == "reader"
    assert name(door, f"{secret} ") == "reader"
    others = [f"{secret} {secret}", f"{secret} x", f" {secret}", secret.upper(), secret.removeprefix(PREFIX), PREFIX]
    assert [name(door, other) for other in others] == [None] * len(others)


def test_only_what_looks_like_our_token_is_looked_up_alone(
    door: Credentials, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Tokens, "actor", lambda _, shown, __: asked.append(shown))
    for header in ("Bearer", "x", "secret", f"x{secret}", PREFIX[:-1], f"{PREFIX}guess"):
        assert name(door, header) is None
    assert asked == [f"{PREFIX}guess"]


def test_a_basic_user_must_be_the_tokens_own(door: Credentials, secret: str) -> None:
    for user in ("", "machine", "READER", "reader\0", "reader "):
        assert name(door, basic(user, secret)) is None
    assert name(door, basic("reader", secret + "x")) is None


@pytest.mark.parametrize(
    "header",
    [
        "", " ", "Bearer", "Bearer ", "Basic", "Basic ", "Basic !!!!", "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(), "Basic Og==", "Basic ä", "Digest x", "Bearer \0", "\0",
        "Bearer \udcff", "Basic \udcff", "Bearer " + "x" * LONGEST_HEADER, "Basic " + "A" * LONGEST_HEADER * 2, "Basic A",
        PREFIX + "x" * LONGEST_HEADER, PREFIX + "\0", PREFIX + "\udcff",
    ],
)  # fmt: skip
def test_a_malformed_header_is_nobody(door: Credentials, header: str) -> None:
    assert name(door, header) is None


@given(header=st.text(), cert=st.text(), peer=st.text())
def test_no_header_raises(door: Credentials, header: str, cert: str, peer: str) -> None:
    for authorization in (header, f"Basic {header}", f"Bearer {header}", PREFIX + header, None):
        for client_cert in (cert, f":{cert}:"):
            assert name(door, authorization, client_cert, peer) is None
            assert name(door, authorization, client_cert, PROXY) is None


@pytest.mark.parametrize("peer", [PROXY, "2001:db8::7"])
def test_a_trusted_proxys_certificate_holds(door: Credentials, peer: str) -> None:
    assert name(door, None, certificate(DER), peer) == "machine"


@pytest.mark.parametrize("peer", ["192.0.2.2", "2001:db8:1::7", "127.0.0.1", "", None, "localhost", "::ffff:192.0.2.2"])
def test_a_certificate_from_anywhere_else_is_nobody(door: Credentials, peer: str | None) -> None:
    assert name(door, None, certificate(DER), peer) is None


@pytest.mark.parametrize(
    "header", ["", ":", "::", ":::", base64.b64encode(DER).decode(), f":{'A' * LONGEST_HEADER}:", ":ä:", ": :", ":A:"]
)
def test_a_malformed_certificate_is_nobody(door: Credentials, header: str) -> None:
    assert name(door, None, header, PROXY) is None
    assert name(door, None, certificate(DER + b"\0"), PROXY) is None


def test_without_trusted_proxies_no_certificate_holds(store: Store, secret: str) -> None:
    assert name(Credentials(Tokens(store.database)), None, certificate(DER), PROXY) is None


def test_a_wrong_secret_is_not_mended_by_a_certificate(door: Credentials) -> None:
    """What is shown must hold: a fall-back would make a revoked token look alive."""
    assert name(door, "Bearer wrong", certificate(DER), PROXY) is None


def test_a_certificate_is_no_password_and_a_password_no_certificate(door: Credentials, secret: str) -> None:
    latin = DER.decode("latin-1")
    assert name(door, f"Bearer {latin}") is None
    assert name(door, basic("machine", latin)) is None
