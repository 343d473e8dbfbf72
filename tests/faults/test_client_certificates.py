"""A client's certificate, as a proxy hands it on (RFC 9440): believed from the proxy's address, and from nobody else's."""

import base64
import datetime
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.running import Served, serving

PROXY = "127.0.0.2"  #: all of 127.0.0.0/8 is this machine; a client chooses where it comes from


def certificate(name: str) -> bytes:
    """DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start + datetime.timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


OURS, ANOTHER = certificate("partner"), certificate("somebody")


def header(der: bytes) -> str:
    return f":{base64.b64encode(der).decode()}:"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("cert") / "node", trusted_proxies=[PROXY, "192.0.2.0/24"]) as made:
        made.token("partner", {made.first: "r"}, certificate=OURS)
        yield made


def ask(node: Served, source: str, *shown: str, **more: str) -> int:
    headers = [("Client-Cert", each) for each in shown] + list(more.items())
    with httpx.Client(transport=httpx.HTTPTransport(local_address=source)) as client:
        return client.get(node.objects(), headers=headers).status_code


def test_the_proxy_is_believed(node: Served) -> None:
    assert ask(node, PROXY, header(OURS)) == 200


def test_nobody_else_is(node: Served) -> None:
    for source in ("127.0.0.1", "127.0.0.3"):
        assert ask(node, source, header(OURS)) == 401
        forwarded = {"X-Forwarded-For": PROXY, "Forwarded": f"for={PROXY}", "X-Real-IP": PROXY}
        assert ask(node, source, header(OURS), **forwarded) == 401
    assert ask(node, "127.0.0.1") == 401
    assert ask(node, PROXY) == 401


def test_another_certificate_is_nobody(node: Served) -> None:
    assert ask(node, PROXY, header(ANOTHER)) == 401
    assert ask(node, PROXY, header(OURS + b"\x00")) == 401
    assert ask(node, PROXY, header(OURS[:-1])) == 401


@pytest.mark.parametrize(
    "shown",
    [
        "", ":", "::", ":::", base64.b64encode(OURS).decode(), header(OURS)[:-1], header(OURS)[1:], ":!!!!:", ":====:",
        "-----BEGIN CERTIFICATE-----", '"' + base64.b64encode(OURS).decode() + '"', header(OURS).replace(":", ": ").strip(),
        header(OURS) + ";a=1", ":" + "A" * 50_000 + ":", header(OURS) + ", " + header(ANOTHER),
    ],
)  # fmt: skip
def test_what_is_no_certificate_is_nobody(node: Served, shown: str) -> None:
    assert ask(node, PROXY, shown) == 401


def test_two_certificates_are_refused(node: Served) -> None:
    """A proxy that adds its header beside the client's own would let the client choose."""
    assert ask(node, PROXY, header(ANOTHER), header(OURS)) == 400
    assert ask(node, PROXY, header(OURS), header(OURS)) == 400


def test_a_token_that_is_shown_counts_before_the_certificate(node: Served) -> None:
    assert ask(node, PROXY, header(OURS), Authorization="Bearer wrong") == 401
    assert ask(node, PROXY, header(ANOTHER), Authorization=f"Bearer {node.token('t', {node.first: 'r'})}") == 200


def test_a_certificate_is_no_password(node: Served, tmp_path: Path) -> None:
    text = base64.b64encode(OURS).decode()
    for pair in (f"partner:{text}", "partner:", f"partner:{OURS.hex()}"):
        assert ask(node, PROXY, Authorization="Basic " + base64.b64encode(pair.encode()).decode()) == 401
    assert ask(node, "127.0.0.1", Authorization=f"Bearer {text}") == 401
