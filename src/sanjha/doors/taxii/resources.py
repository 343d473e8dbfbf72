"""TAXII 2.1 resources as bytes. Lists are never empty: the key is left out (section 2). Pure."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from sanjha.access.policy import Grant
from sanjha.doors.taxii.negotiation import MEDIA_TYPE, STIX_TYPES
from sanjha.exchange.collections import Collection
from sanjha.exchange.pages import Entry, Page
from sanjha.exchange.reception import Report
from sanjha.stix.timestamps import render

ROOT: Final = "exchange"  #: the one API root

_encode: Final = msgspec.json.Encoder().encode


def discovery(title: str, contact: str | None, roots: Sequence[str]) -> bytes:
    """Section 4.1. ``roots`` are URLs; the first is the default."""
    body: dict[str, Any] = {"title": title, "description": "Threat intelligence exchange (STIX 2.1)"}
    if contact:
        body["contact"] = contact
    if roots:
        body |= {"default": roots[0], "api_roots": list(roots)}
    return _encode(body)


def api_root(title: str, description: str, max_content_length: int) -> bytes:
    """Section 4.2."""
    return _encode(
        {
            "title": title,
            "description": description,
            "versions": [MEDIA_TYPE],
            "max_content_length": max_content_length,
        }
    )


def collection(found: Collection, grant: Grant) -> dict[str, Any]:
    """Section 5.2.1, with the marking of unmarked objects as a property of our own."""
    body: dict[str, Any] = {"id": found.id, "title": found.title}
    if found.description:
        body["description"] = found.description
    if found.alias:
        body["alias"] = found.alias
    body |= {
        "can_read": grant.may_read,
        "can_write": grant.may_write,
        "media_types": list(STIX_TYPES),
        "x_sanjha_default_tlp": found.default_tlp.label,
    }
    return body


def collections(pairs: Sequence[tuple[Collection, Grant]]) -> bytes:
    """Section 5.1.1."""
    return _encode({"collections": [collection(*pair) for pair in pairs]} if pairs else {})


def envelope(page: Page, following: str | None) -> bytes:
    """Section 3.7: the objects are the bytes that came in, joined."""
    head = b"{"
    if page.more:
        head += b'"more":true,'
    if following is not None:
        head += b'"next":' + _encode(following) + b","
    if not page.entries:
        return head.rstrip(b",") + b"}"
    # One join, so that a page of megabytes is copied once.
    raws = [entry.raw or b"" for entry in page.entries]
    raws[0] = head + b'"objects":[' + raws[0]
    raws[-1] += b"]}"
    return b",".join(raws)


def manifest(page: Page, following: str | None) -> bytes:
    """Section 5.3.1, and ``next`` (the standard forgot it: cti-taxii2 issue 110)."""
    body: dict[str, Any] = {}
    if page.more:
        body["more"] = True
    if following is not None:
        body["next"] = following
    if page.entries:
        body["objects"] = [
            {
                "id": entry.id,
                "date_added": render(entry.date_added),
                "version": render(entry.version),
                "media_type": STIX_TYPES[0] if entry.spec == 21 else STIX_TYPES[1],
            }
            for entry in page.entries
        ]
    return _encode(body)


def versions(page: Page, following: str | None) -> bytes:
    """Section 5.8.1, and ``next``."""
    body: dict[str, Any] = {}
    if page.more:
        body["more"] = True
    if following is not None:
        body["next"] = following
    if page.entries:
        body["versions"] = [render(entry.version) for entry in page.entries]
    return _encode(body)


def date_headers(entries: Sequence[Entry], after: int | None) -> dict[str, str]:
    """``X-TAXII-Date-Added-First`` and ``-Last`` (section 3.3). An empty page repeats where it began, if that was said."""
    if entries:
        first, last = entries[0].date_added, entries[-1].date_added
    elif after is not None and after >= 0:
        first = last = after
    else:
        return {}
    return {"X-TAXII-Date-Added-First": render(first), "X-TAXII-Date-Added-Last": render(last)}


def status(identifier: str, requested: int, report: Report) -> bytes:
    """Section 4.3: complete when it is given out. ``successes`` names only what a poster should know more about."""
    stamp = render(requested)
    good = report.stored + report.duplicates + report.variant_count
    body: dict[str, Any] = {
        "id": identifier,
        "status": "complete",
        "request_timestamp": stamp,
        "total_count": report.total,
        "success_count": good,
        "failure_count": report.refused,
        "pending_count": 0,
    }
    told = [
        {
            "id": variant.id,
            "version": render(variant.version) if variant.version else stamp,
            "message": f"kept beside the first as a variant: {variant.reason}",
        }
        for variant in report.variants
    ]
    wrong: dict[str, list[str]] = {}
    for problem in report.problems:
        if problem.id:
            text = f"{problem.path}: {problem.message} {problem.remedy} [{problem.rule}]"
            wrong.setdefault(problem.id, []).append(text)
    failures = [{"id": name, "version": stamp, "message": " | ".join(texts)} for name, texts in wrong.items()]
    if told:
        body["successes"] = told
    if failures:
        body["failures"] = failures
    return _encode(body)


def error(title: str, http_status: int, description: str, error_id: str | None = None) -> bytes:
    """Section 3.6.1: ``http_status`` is a string and equals the real one."""
    body = {"title": title, "description": description, "http_status": str(http_status)}
    if error_id:
        body["error_id"] = error_id
    return _encode(body)
