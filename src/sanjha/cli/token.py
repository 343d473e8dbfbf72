"""``sanjha token``: who may reach the node, and what."""

from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection

from sanjha.access import tokens
from sanjha.access.policy import LEAVES_FOR, Audience
from sanjha.cli.collection import tlp_level
from sanjha.cli.outcome import folder_argument, json_option, tabulated, tell
from sanjha.errors import WrongUse
from sanjha.exchange.collections import list_collections
from sanjha.exchange.granting import Right, make_token
from sanjha.node.assembly import Node
from sanjha.stix.markings import Tlp
from sanjha.stix.timestamps import render

_RIGHTS = {"read": (True, False), "write": (False, True), "readwrite": (True, True)}
_DAY = 86_400_000_000


@click.group()
def token() -> None:
    """Create, list and revoke tokens."""


@token.command("create")
@folder_argument
@click.option("--name", required=True, help="Also the user name for HTTP Basic.")
@click.option(
    "--grant", "grants", multiple=True, metavar="COLLECTION=read|write|readwrite[:TLP]",
    help="A right in a collection (id, alias or title), up to a TLP level; again for more.",
)  # fmt: skip
@click.option("--admin", is_flag=True, help="Reaches everything; for people of the node's own organisation.")
@click.option("--organisation", help="Whose token it is; without it an organisation of the token's name.")
@click.option(
    "--audience",
    type=click.Choice([each.value for each in Audience]),
    help="What that organisation is to this node: own (up to RED), client (AMBER), member (GREEN), observer (CLEAR)."
    " Without it member; own with --admin.",
)
@click.option("--days", type=click.IntRange(1), help="Expires after so many days.")
@click.option(
    "--client-certificate",
    "certificate",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A client's certificate (PEM) in place of a secret; a trusted proxy has to check it (RFC 9440).",
)
@json_option
def create(
    folder: Path,
    name: str,
    grants: tuple[str, ...],
    admin: bool,
    organisation: str | None,
    audience: str | None,
    days: int | None,
    certificate: Path | None,
    as_json: bool,
) -> None:
    """Make a token. Its secret is shown once."""
    rights = [_asked(each) for each in grants]
    with Node(folder) as node, node.database.writing() as connection:
        now = node.now()
        secret = make_token(
            connection,
            tokens.own_actor(connection),
            name,
            rights,
            now,
            admin=admin,
            organisation=organisation,
            audience=None if audience is None else Audience(audience),
            expires=None if days is None else now + days * _DAY,
            certificate=None if certificate is None else _certificate(certificate),
        )
        listed = next(each for each in tokens.list_tokens(connection, _names(connection)) if each.name == name)
    lines = [f"name     {name}"]
    if secret:
        lines.append(f"token    {secret}")
    lines.append(f"reaches  {_reach(listed)}")
    if secret:
        lines += ["", "Keep it now: it is not shown again."]
    tell({"name": name, "token": secret or None}, lines, as_json=as_json)


@token.command("list")
@folder_argument
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """List the tokens; never their secrets."""
    with Node(folder) as node, node.database.reading() as connection:
        found = tokens.list_tokens(connection, {c.pk: c.id for c in list_collections(connection)})
        named, now = tokens.list_tokens(connection, _names(connection)), node.now()
    shown = [
        {
            "name": t.name,
            "organisation": t.organisation,
            "audience": t.audience,
            "admin": t.admin,
            "created": render(t.created),
            "expires": None if t.expires is None else render(t.expires),
            "revoked": None if t.revoked is None else render(t.revoked),
            "grants": {name: _right(each, t.audience) for name, each in t.grants.items()},
        }
        for t in found
    ]
    rows = [[t.name, t.organisation, t.audience, _state(t, now), _reach(t)] for t in named]
    lines = tabulated(("NAME", "ORGANISATION", "AUDIENCE", "STATE", "REACHES"), rows, nothing="no tokens yet")
    tell(shown, lines, as_json=as_json)


@token.command("revoke")
@folder_argument
@click.argument("name")
def revoke(folder: Path, name: str) -> None:
    """End a token; within a second nobody is let in by it."""
    with Node(folder) as node, node.database.writing() as connection:
        tokens.revoke_token(connection, name, node.now())


def _asked(grant: str) -> Right:
    """A grant as it was written: COLLECTION=RIGHT[:TLP]."""
    collection, equals, right = grant.rpartition("=")
    word, _, level = right.partition(":")
    if not equals or word not in _RIGHTS:
        raise WrongUse(f"--grant {grant!r}: write COLLECTION=read, =write or =readwrite")
    return Right(collection, *_RIGHTS[word], tlp_level(level) if level else Tlp.RED)


def _names(connection: Connection) -> dict[int, str]:
    """What people call the collections."""
    return {c.pk: c.alias or c.title for c in list_collections(connection)}


def _reach(listed: tokens.TokenListing) -> str:
    """What a token gives, for people; a ceiling is never above what may leave for its organisation."""
    if listed.admin:
        return f"everything, up to {LEAVES_FOR[Audience(listed.audience)].label}; may administer"
    rights = [f"{name}={_right(each, listed.audience)}" for name, each in listed.grants.items()]
    return "  ".join(rights) or "nothing: it was made without --grant"


def _state(listed: tokens.TokenListing, now: int) -> str:
    if listed.revoked is not None:
        return "revoked"
    return "in force" if listed.expires is None or now < listed.expires else "expired"


def _right(stored: str, audience: str) -> str:
    word, _, level = stored.partition(":")
    return f"{word}:{Tlp(min(int(level), LEAVES_FOR[Audience(audience)])).label}"


def _certificate(path: Path) -> bytes:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)
    except ValueError:
        raise WrongUse(f"{path} holds no certificate in PEM form") from None
