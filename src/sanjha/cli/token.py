"""``sanjha token``: who may reach the node, and what."""

from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sanjha.access import tokens
from sanjha.access.policy import LEAVES_FOR, Audience, Grant
from sanjha.cli.collection import tlp_level
from sanjha.cli.outcome import folder_argument, json_option, tell
from sanjha.errors import WrongUse
from sanjha.exchange.collections import find_collection, list_collections
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
    with Node(folder) as node, node.database.writing() as connection:
        now = node.now()
        if admin and organisation is None and audience in (None, "own"):
            owner = tokens.own_actor(connection).organisation
        else:
            kind = Audience(audience or "member")
            owner = tokens.add_organisation(connection, organisation or f"token:{name}", kind, now)
        rights = []
        for each in grants:
            title, equals, right = each.rpartition("=")
            word, _, level = right.partition(":")
            if not equals or word not in _RIGHTS:
                raise WrongUse(f"--grant {each!r}: write COLLECTION=read, =write or =readwrite")
            ceiling = tlp_level(level) if level else Tlp.RED
            rights.append(Grant(find_collection(connection, title).pk, *_RIGHTS[word], int(ceiling)))
        secret = tokens.create_token(
            connection,
            name,
            owner,
            now,
            grants=rights,
            admin=admin,
            expires=None if days is None else now + days * _DAY,
            certificate=None if certificate is None else _certificate(certificate),
        )
    lines = (
        [f"name   {name}", f"token  {secret}", "", "Keep it now: it is not shown again."]
        if secret
        else [f"name   {name}"]
    )
    tell({"name": name, "token": secret or None}, lines, as_json=as_json)


@token.command("list")
@folder_argument
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """List the tokens; never their secrets."""
    with Node(folder) as node, node.database.reading() as connection:
        collections = {c.pk: c for c in list_collections(connection)}
        found = tokens.list_tokens(connection, {pk: c.id for pk, c in collections.items()})
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
    lines = [
        f"{t['name']:24} {'revoked' if t['revoked'] else t['audience']:9} {'admin' if t['admin'] else ''} "
        + "  ".join(f"{name}={right}" for name, right in t["grants"].items())  # type: ignore[union-attr]
        for t in shown
    ]
    tell(shown, lines, as_json=as_json)


@token.command("revoke")
@folder_argument
@click.argument("name")
def revoke(folder: Path, name: str) -> None:
    """End a token; within a second nobody is let in by it."""
    with Node(folder) as node, node.database.writing() as connection:
        tokens.revoke_token(connection, name, node.now())


def _right(stored: str, audience: str) -> str:
    word, _, level = stored.partition(":")
    return f"{word}:{Tlp(min(int(level), LEAVES_FOR[Audience(audience)])).label}"


def _certificate(path: Path) -> bytes:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)
    except ValueError:
        raise WrongUse(f"{path} holds no certificate in PEM form") from None
