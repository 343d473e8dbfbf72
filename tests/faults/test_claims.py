"""Who claims to be somebody else."""

import json
from pathlib import Path

from sanjha.exchange.statements import identity_id
from tests.running import indicator, serving


def test_nobody_knows_an_organisations_identity_before_it_speaks(tmp_path: Path) -> None:
    """Or they could post it first, with words of their own and a date in the future."""
    with serving(tmp_path / "node") as node:
        with node.client() as client:
            public = client.get(f"{node.url}/readyz").json()["node"]
        item = indicator("00000000-0000-4000-8000-000000000001")
        with node.client(node.token("alice", {node.first: "rw"})) as client:
            answer = client.post(f"{node.url}/api/v1/objects?collection={node.first}", json=[item])
            assert answer.json()["stored"] == 1, answer.text
            said = client.post(f"{node.url}/api/v1/sightings", json={"of": item["id"]}).json()
        author = said["object"]["created_by_ref"]
        assert author != identity_id(public, "org-alice")
        with node.client(node.token("bob", {node.first: "rw"})) as client:
            known = client.get(f"{node.url}/api/v1/objects/{author}").json()["versions"][0]["object"]
            theirs = {**known, "name": "Somebody else", "modified": "2030-01-01T00:00:00.000Z"}
            answer = client.post(f"{node.url}/api/v1/objects?collection={node.first}", content=json.dumps([theirs]),
                                 headers={"Content-Type": "application/json"})  # fmt: skip
            assert [variant["reason"] for variant in answer.json()["variants"]] == ["not-the-author"]
