"""The OpenAPI 3.1 document, written from the operations themselves: what is not in it cannot be asked."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from sanjha.access.policy import administrative
from sanjha.doors.api import fields
from sanjha.doors.api.contract import JSON, Nothing, Operation
from sanjha.doors.api.faults import MEDIA_TYPE, ProblemDetails
from sanjha.formats import FORMATS

#: The parts of paths that vary: (pattern, what it is).
PATH_PARTS: Final = {
    "object_id": (fields.STIX_ID, "A STIX id."),
    "name": (fields.NAME, "The name of a feed or token."),
    "id": (fields.UUID, "A webhook's id."),
    "number": (r"^[0-9]{1,15}$", "A dead letter's number."),
    "format": (r"^[a-z0-9-]{1,40}$", "A format's name."),
    "tree": (r"^[a-z0-9-]{1,40}$", "The name of a format of several files."),
    "file": (r"^[a-z0-9-]{1,60}\.[a-z0-9]{1,10}$", "A file's name."),
}
_EXAMPLES: Final = {"object_id": fields.EXAMPLE, "file": "manifest.json"}
_FAULTS: Final = {
    400: "The request cannot be read: what is wrong with it.",
    401: "No token was shown, or none that holds.",
    403: "The token may not do this.",
    404: "No such thing, or not for this token: the two look the same.",
    408: "The body came too slowly.",
    409: "It exists already.",
    413: "Too much at once.",
    415: "Not a media type that can be read here; compressed bodies are not.",
    422: "A rule says no.",
    429: "The token has asked too often.",
    500: "An internal error; `error_id` names it in the node's log.",
    503: "Something that the node stands on does not answer; try again.",
}
_REFERENCE: Final = "#/components/schemas/{name}"


def usual(operation: Operation) -> list[int]:
    """The statuses of an operation beside its good one."""
    statuses = {400, 401, 403, 429, 500, 503, *operation.also} - {304}
    if operation.body is not Nothing:
        statuses |= {408, 413, 415}
    if "{" in operation.path:
        statuses.add(404)
    return sorted(statuses)


def document(operations: Sequence[Operation], title: str, version: str, prefix: str) -> bytes:
    """The document as JSON."""
    types: list[Any] = [ProblemDetails]
    for each in operations:
        types += [form for form in (each.answer, each.body_form or each.body) if _described(form)]
    types = list(dict.fromkeys(types))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    known = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, known)
    whole = {
        "openapi": "3.1.0",
        "info": {
            "title": f"{title}: API",
            "version": version,
            "description": "Threat intelligence: objects as they came in, searched, looked up, followed and exported."
            " What a token may not see does not exist for it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": prefix}],
        "security": [{"bearer": []}, {"basic": []}, {"bare": []}],
        "tags": [{"name": name} for name in dict.fromkeys(each.tag for each in operations)],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {str(status): _fault(status, known[ProblemDetails]) for status in _FAULTS},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token's secret."},
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "A token's name, and its secret as password.",
                },
                "bare": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "A token's secret and nothing else, as MISP sends its keys.",
                },
            },
        },
    }
    return msgspec.json.encode(whole)


def _described(form: Any) -> bool:
    return form is not None and form not in (Nothing, bytes, str)


def _operation(each: Operation, known: dict[Any, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"operationId": each.name, "tags": [each.tag], "summary": each.summary}
    described = [part for part in (each.description, f"Permission: `{each.action}`.") if part]
    if administrative(each.action):
        described[-1] += " For administrators."
    said["description"] = "\n\n".join(described)
    parameters = [*_path_parameters(each.path), *_query_parameters(each.query)]
    if parameters:
        said["parameters"] = parameters
    if each.body is not Nothing:
        schema = known.get(each.body_form or each.body, {})
        said["requestBody"] = {"required": True, "content": {media: {"schema": schema} for media in each.body_media}}
    good: dict[str, Any] = {"description": each.summary}
    if each.status != 204:
        good["content"] = {media: {"schema": _answer_schema(each, media, known)} for media in each.media}
    if each.headers:
        good["headers"] = {
            name: {"description": about, "schema": {"type": "string"}} for name, about in each.headers.items()
        }
    if each.links:
        good["links"] = {name: _link(name, places) for name, places in each.links.items()}
    said["responses"] = {str(each.status): good}
    if 304 in each.also:
        said["responses"]["304"] = {"description": "What the client has is still so."}
    said["responses"] |= {str(status): {"$ref": f"#/components/responses/{status}"} for status in usual(each)}
    return said


def _link(name: str, places: Mapping[str, str]) -> dict[str, Any]:
    link: dict[str, Any] = {"operationId": name}
    for parameter, pointer in places.items():
        kind, dot, field = parameter.partition(".")
        holder = link.setdefault("requestBody" if dot else "parameters", {})
        holder[field or kind] = f"$response.body#{pointer}"
    return link


def _answer_schema(each: Operation, media: str, known: dict[Any, Any]) -> Any:
    if media == JSON and each.answer in known:
        return known[each.answer]
    return {} if "json" in media and not media.endswith("ndjson") else {"type": "string"}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_PARTS[name][1],
            "schema": _path_schema(name),
        }
        for name in names
    ]


def _path_schema(name: str) -> dict[str, Any]:
    if name == "format":
        return {"type": "string", "enum": sorted(FORMATS)}
    if name == "tree":
        return {"type": "string", "enum": sorted(form.name for form in FORMATS.values() if form.tree is not None)}
    schema: dict[str, Any] = {"type": "string", "pattern": PATH_PARTS[name][0]}
    example = _EXAMPLES.get(name)
    return schema | ({"examples": [example]} if example else {})


def _query_parameters(form: Any) -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components([form], ref_template=_REFERENCE)
    schema = components[form.__name__]
    found = []
    for name, field in schema["properties"].items():
        kind = dict(field)
        if "anyOf" in kind:  # a parameter that is not given is not null
            rest = [each for each in kind.pop("anyOf") if each != {"type": "null"}]
            kind = {**rest[0], **kind}
        about = kind.pop("description", "")
        if kind.get("default") in (None, []):
            kind.pop("default", None)
        found.append(
            {"name": name, "in": "query", "required": name in schema["required"], "description": about, "schema": kind}
        )
    return found


def _fault(status: int, schema: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"description": _FAULTS[status], "content": {MEDIA_TYPE: {"schema": schema}}}
    named = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}.get(status)
    if named:
        said["headers"] = {named: {"schema": {"type": "string"}}}
    return said
