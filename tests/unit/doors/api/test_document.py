"""The OpenAPI document says all of it, and nothing that is not so."""

import json
import re
from typing import Any

import pytest

from sanjha.doors.api.contract import Nothing
from sanjha.doors.api.routes import PREFIX
from tests.unit.doors.api.door import Door


@pytest.fixture(scope="module")
def document(still: Door) -> Any:
    answer = still.ask("GET", "/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.oai.openapi+json;version=3.1"
    return answer.json()


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        return ([node["$ref"]] if "$ref" in node else []) + [ref for each in node.values() for ref in _references(each)]
    return [ref for each in node for ref in _references(each)] if isinstance(node, list) else []


def test_what_it_refers_to_is_there(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": PREFIX}]
    for reference in set(_references(document)):
        place = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
        assert place


def test_every_operation_is_in_it_once(document: Any, still: Door) -> None:
    said = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert said == {(each.method, each.path) for each in still.operations}
    names = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
    assert len(set(names)) == len(names) == len(still.operations)


def test_every_operation_says_what_it_takes_and_gives(document: Any, still: Door) -> None:
    for each in still.operations:
        said = document["paths"][each.path][each.method.lower()]
        assert said["summary"]
        assert str(each.action) in said["description"]
        assert {part["name"] for part in said.get("parameters", []) if part["in"] == "path"} == set(
            re.findall(r"\{(\w+)\}", each.path)
        )
        assert all(part["description"] for part in said.get("parameters", [])), each.path
        assert ("requestBody" in said) == (each.body is not Nothing)
        responses = said["responses"]
        assert {"400", "401", "403", "429", "500", "503", str(each.status)} <= set(responses)
        assert ("content" in responses[str(each.status)]) == (each.status != 204)
        for status, response in responses.items():
            if int(status) >= 400:
                assert response == {"$ref": f"#/components/responses/{status}"}


def test_faults_are_problem_details(document: Any) -> None:
    for response in document["components"]["responses"].values():
        assert list(response["content"]) == ["application/problem+json"]


def test_links_lead_to_operations_and_their_parameters(document: Any) -> None:
    known = {each["operationId"]: each for methods in document["paths"].values() for each in methods.values()}
    links = [
        link
        for each in known.values()
        for response in each["responses"].values()
        for link in response.get("links", {}).values()
    ]
    assert links
    for link in links:
        parameters = {part["name"] for part in known[link["operationId"]].get("parameters", [])}
        assert set(link.get("parameters", {})) <= parameters


def test_secrets_are_in_no_answer_but_that_of_their_making(document: Any) -> None:
    shown = {
        name for name, schema in document["components"]["schemas"].items() if "secret" in schema.get("properties", {})
    }
    assert shown == {"FeedAuth", "SubscriptionEntry"}  # what comes in, and a webhook that was just made
    assert "token" in document["components"]["schemas"]["NewToken"]["properties"]
    assert "sha256" not in json.dumps(document["components"]["schemas"]["TokenEntry"])
