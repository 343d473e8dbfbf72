"""From errors to what the asker is told, and what is not told."""

import logging
from typing import Any

import pytest
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotAuthorizedException,
    NotFoundException,
    TooManyRequestsException,
)

from sanjha import errors
from sanjha.doors.verdicts import CHALLENGES, Told, verdict


def every_error() -> list[type[errors.SanjhaError]]:
    found: list[type[errors.SanjhaError]] = []
    waiting = [errors.SanjhaError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return [kind for kind in found if kind.__module__ == "sanjha.errors"]


def made(kind: type[errors.SanjhaError]) -> errors.SanjhaError:
    more: dict[str, Any] = {"rule": "x"} if issubclass(kind, errors.Refused) else {}
    return kind("what to do", secret="s3cret", **more)


@pytest.mark.parametrize("kind", every_error())
def test_every_error_of_ours_has_a_status_and_keeps_its_facts(kind: type[errors.SanjhaError]) -> None:
    said = verdict(made(kind))
    assert 400 <= said.status < 600
    assert "s3cret" not in str(said)
    expected = kind not in (errors.SanjhaError, errors.Fatal)
    assert (said.detail == "what to do") is expected
    assert (said.status == 500) is not expected


def test_what_nobody_foresaw_leaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        said = verdict(ValueError("the password is s3cret"))
    assert said.status == 500
    assert "s3cret" not in str(said)
    assert said.error_id
    assert said.error_id in caplog.text


def test_the_frameworks_errors() -> None:
    assert verdict(NotFoundException("/secret/path")).detail == "Not found"
    assert verdict(HTTPException("odd", status_code=418)).title == "Refused"
    assert verdict(HTTPException("s3cret", status_code=502)).status == 500
    late = verdict(TooManyRequestsException("slow down", headers={"Retry-After": "7", "X-Secret": "s"}))
    assert (late.status, late.headers) == (429, {"Retry-After": "7"})
    assert verdict(errors.Unavailable("later")).headers == {"Retry-After": "5"}


def test_what_is_allowed_names_what_every_path_has() -> None:
    said = verdict(MethodNotAllowedException(headers={"allow": "POST, GET"}))
    assert said.headers == {"allow": "GET, HEAD, OPTIONS, POST"}
    assert verdict(MethodNotAllowedException(headers={"allow": "POST"})).headers == {"allow": "OPTIONS, POST"}


def test_only_a_401_carries_the_challenges() -> None:
    for error, count in ((NotAuthorizedException("who?"), len(CHALLENGES)), (NotFoundException(), 0)):
        said = verdict(error)
        answer = Told(said, b"{}", "application/json").to_asgi_response(None, None)
        assert [name for name, _ in answer.encode_headers()].count(b"www-authenticate") == count
