"""``taxii2-client``, the client of the OASIS committee, on our server: everything that it can do."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.auth import AuthBase
from taxii2client.exceptions import ValidationError
from taxii2client.v21 import ApiRoot, Collection, Server, as_pages

from tests.peers.walking import preload, walk_while_writing
from tests.running import Served, indicator, serving

PAGE = 20
STORES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("initdb"))]


class Bearer(AuthBase):
    """A token as requests sends it."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self.secret}"
        return request


def status_of(caught: pytest.ExceptionInfo[requests.HTTPError]) -> int:
    """What the server answered."""
    return 0 if caught.value.response is None else caught.value.response.status_code


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("client") / "node", page_size=PAGE) as made:
        yield made
        print(made.log())


@pytest.fixture(scope="module")
def secret(node: Served) -> str:
    return node.token("u", {node.first: "rw"})


@pytest.fixture
def shelf(node: Served, request: pytest.FixtureRequest) -> Iterator[Collection]:
    """An empty collection, as its owner has it."""
    with node.stocking():
        name = node.collection(request.node.name[:100]).id
        owner = node.token(f"o{uuid.uuid4()}", {name: "rw"})
    with Collection(f"{node.api_root}collections/{name}/", auth=Bearer(owner)) as made:
        yield made


def some(count: int, **more: Any) -> list[dict[str, Any]]:
    return [indicator(str(uuid.uuid4()), **more) for _ in range(count)]


def test_discovery_leads_to_the_collections(node: Served, secret: str) -> None:
    with Server(f"{node.url}/taxii2/", user="u", password=secret) as server:
        assert server.title == "Sanjha node of pk"
        assert [root.url for root in server.api_roots] == [node.api_root]  # relative in the answer
        assert server.default.url == node.api_root
        root = server.default
        assert root.title
        assert root.versions == ["application/taxii+json;version=2.1"]
        assert root.max_content_length > 0
        [found] = root.collections
        assert (found.id, found.can_read, found.can_write, found.alias) == (node.first, True, True, "shared")
        assert found.media_types[0] == "application/stix+json;version=2.1"
        assert found.custom_properties == {"x_sanjha_default_tlp": "TLP:GREEN"}


def test_absolute_roots_where_the_node_knows_its_name(tmp_path: Path) -> None:
    with serving(tmp_path / "node", start=False) as made:
        made.configure(origin=f"http://localhost:{made.port}")
        made.start()
        secret = made.token("u", {made.first: "r"})
        with Server(f"{made.url}/taxii2/", user="u", password=secret) as server:
            assert server.default.url == f"http://localhost:{made.port}/taxii2/exchange/"
            assert [c.id for c in server.default.collections] == [made.first]


@pytest.mark.parametrize("way", ["basic", "bearer"])
def test_both_ways_of_saying_who_one_is(node: Served, secret: str, way: str) -> None:
    more: dict[str, Any] = {"user": "u", "password": secret} if way == "basic" else {"auth": Bearer(secret)}
    with ApiRoot(node.api_root, **more) as root:
        assert [c.id for c in root.collections] == [node.first]


def test_strangers_are_told_who_may_come(node: Served, secret: str) -> None:
    wrong: tuple[dict[str, Any], ...] = (
        {}, {"user": "u", "password": "wrong"}, {"user": "other", "password": secret}, {"auth": Bearer("wrong")},
    )  # fmt: skip
    for more in wrong:
        with Server(f"{node.url}/taxii2/", **more) as server, pytest.raises(requests.HTTPError) as caught:
            server.refresh()
        assert status_of(caught) == 401
        assert caught.value.response is not None
        challenges = caught.value.response.raw.headers.getlist("WWW-Authenticate")
        assert [each.split()[0] for each in challenges] == ["Basic", "Bearer"]
        assert requests.utils.parse_dict_header(challenges[0].partition(" ")[2])["realm"] == "Sanjha"


def test_add_wait_get_and_delete(node: Served, shelf: Collection) -> None:
    objects = some(3)
    status = shelf.add_objects({"objects": objects}, wait_for_completion=True, timeout=10)
    assert (status.status, status.total_count, status.success_count) == ("complete", 3, 3)
    status.refresh()
    assert status.success_count == 3
    assert shelf.get_objects()["objects"] == objects
    assert shelf.get_object(objects[1]["id"])["objects"] == [objects[1]]
    assert shelf.object_versions(objects[1]["id"])["versions"] == ["2026-01-01T00:00:00.000000Z"]
    records = shelf.get_manifest()["objects"]
    assert [record["id"] for record in records] == [each["id"] for each in objects]
    again = shelf.add_objects({"objects": objects})  # no error, and nothing new
    assert again.success_count == 3
    assert len(shelf.get_manifest()["objects"]) == 3
    shelf.delete_object(objects[0]["id"])
    with pytest.raises(requests.HTTPError) as caught:
        shelf.get_object(objects[0]["id"])
    assert status_of(caught) == 404
    assert len(shelf.get_objects()["objects"]) == 2


def test_bad_objects_are_in_the_status_and_good_ones_on_the_shelf(shelf: Collection) -> None:
    good, bad = some(2), some(1, confidence=900)
    status = shelf.add_objects({"objects": [good[0], bad[0], good[1]]})
    assert (status.success_count, status.failure_count, status.pending_count) == (2, 1, 0)
    [failure] = status.failures
    assert failure["id"] == bad[0]["id"]
    assert "confidence" in failure["message"]
    assert shelf.get_objects()["objects"] == good


def test_versions_and_filters(shelf: Collection) -> None:
    [one] = some(1)
    newer = {**one, "modified": "2026-02-01T00:00:00.000Z", "name": "newer"}
    malware = {
        "type": "malware", "spec_version": "2.1", "id": f"malware--{uuid.uuid4()}", "is_family": False, "name": "m",
        "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z",
    }  # fmt: skip
    shelf.add_objects({"objects": [one, malware]})
    shelf.add_objects({"objects": [newer]})
    assert shelf.get_objects(type="indicator")["objects"] == [newer]
    assert shelf.get_objects(type=["indicator", "malware"], version="first")["objects"] == [one, malware]
    assert shelf.get_object(one["id"], version="all")["objects"] == [one, newer]
    assert shelf.get_objects(id=one["id"], version="2026-01-01T00:00:00Z")["objects"] == [one]
    assert shelf.object_versions(one["id"])["versions"] == [
        "2026-01-01T00:00:00.000000Z", "2026-02-01T00:00:00.000000Z",
    ]  # fmt: skip
    after = shelf.get_manifest(type="malware")["objects"][0]["date_added"]
    assert shelf.get_objects(added_after=after)["objects"] == [newer]
    assert shelf.get_objects(added_after=shelf.get_manifest()["objects"][-1]["date_added"]) == {}
    shelf.delete_object(one["id"], version="2026-02-01T00:00:00.000Z")
    assert shelf.get_objects(type="indicator")["objects"] == [one]
    assert shelf.get_objects(spec_version="2.0") == {}


@pytest.mark.parametrize("each", [0, 1, 7, PAGE, 10_000])
def test_as_pages_reaches_everything_once(shelf: Collection, each: int) -> None:
    objects = some(2 * PAGE + 3)
    shelf.add_objects({"objects": objects})
    wanted = [item["id"] for item in objects]
    for listing in (shelf.get_objects, shelf.get_manifest):
        pages = list(as_pages(listing, per_request=each))
        assert [item["id"] for page in pages for item in page["objects"]] == wanted
        sizes = {len(page["objects"]) for page in pages[:-1]}
        assert sizes == {min(each or PAGE, PAGE)}
    filtered = [
        i["id"] for page in as_pages(shelf.get_objects, per_request=3, id=wanted[5:15]) for i in page["objects"]
    ]
    assert filtered == wanted[5:15]


def test_rights_are_seen_and_kept(node: Served, secret: str) -> None:
    reader = node.token("reader", {node.first: "r"})
    with Collection(f"{node.api_root}collections/{node.first}/", user="reader", password=reader) as seen:
        assert (seen.can_read, seen.can_write) == (True, False)
        seen.get_objects()
        with pytest.raises(requests.HTTPError) as caught:  # the server says so too, not only the client
            seen._conn.post(
                seen.objects_url,
                headers={"Content-Type": "application/taxii+json;version=2.1"},
                json={"objects": some(1)},
            )
        assert status_of(caught) == 403
        with pytest.raises(requests.HTTPError) as caught:
            seen._conn.delete(f"{seen.objects_url}indicator--{uuid.uuid4()}/")
        assert status_of(caught) == 403


def test_an_alias_leads_to_the_collection(node: Served, secret: str) -> None:
    """The client asks for the id in the URL, so it says what the alias stands for, and no more."""
    with pytest.raises(ValidationError, match=node.first):
        Collection(f"{node.api_root}collections/shared/", user="u", password=secret).refresh()


@pytest.mark.parametrize("store", STORES)
def test_a_walk_while_others_write_has_no_gap_and_no_repeat(
    request: pytest.FixtureRequest, tmp_path: Path, store: str
) -> None:
    count = 50_000 if store == "sqlite" else 10_000
    database = "" if store == "sqlite" else request.getfixturevalue("postgres_url")
    with serving(tmp_path / "node", "--processes", "2", database=database, start=False) as made:
        preload(made, tmp_path / "bundle.json", count)
        made.start("--processes", "2")
        secret = made.token("u", {made.first: "rw"})
        with Collection(f"{made.api_root}collections/{made.first}/", user="u", password=secret) as collection:
            found = walk_while_writing(made, secret, collection, count)
        assert found["walked"] >= count
        assert made.stop() == 0
