"""The API fuzzed from its own document: no internal error, no answer that the document does not know."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sanjha.doors.api.fields import EXAMPLE
from tests.conftest import CI
from tests.running import Served, envelope, indicator, serving

#: Examples an operation: about 1,500 requests in all.
EXAMPLES = 8
SECONDS = 110
#: Reads what has several YAML documents as the text that the document calls it.
HOOKS = """
import schemathesis

@schemathesis.deserializer("application/yaml", "text/yaml", "application/x-yaml")
def as_text(context, response):
    return response.content.decode()
"""


def _filled(node: Served) -> str:
    """An administrator of a node that holds the document's example."""
    secret = node.token("chief", admin=True)
    with node.client(secret) as client:
        body = envelope([indicator(EXAMPLE.partition("--")[2]), indicator("11111111-1111-4111-8111-111111111111")])
        added = client.post(
            f"{node.url}/api/v1/objects?collection=shared", content=body, headers={"Content-Type": "application/json"}
        )
        assert added.json()["stored"] == 2, added.text
    return secret


@pytest.mark.timeout(SECONDS + 30)
def test_the_api_keeps_what_its_document_says(tmp_path: Path) -> None:
    hooks = tmp_path / "hooks.py"
    hooks.write_text(HOOKS)
    with serving(tmp_path / "node") as node:
        secret = _filled(node)
        command = [
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{node.url}/api/v1/openapi.json",
            "--url", f"{node.url}/api/v1", "--header", f"Authorization: Bearer {secret}",
            "--max-examples", str(EXAMPLES), "--checks", "all", "--no-color",
            # What is well-formed may still name what is not there; a stream has no end (tests/faults/test_api_stream.py).
            "--exclude-checks", "positive_data_acceptance", "--exclude-path", "/stream",
            *(["--generation-deterministic"] if CI else []),
        ]  # fmt: skip
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=SECONDS,
            env={"PATH": "/usr/bin:/bin", "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)},
        )  # fmt: skip
        told = f"{done.stdout[-6_000:]}\n{done.stderr[-2_000:]}\n{node.log()}"
        assert done.returncode == 0, told
        assert "Traceback" not in done.stderr, told  # a worker of its own that died asked nothing more
        tested = re.search(r"Tested: (\d+)", done.stdout)
        cases = re.search(r"(\d+) generated", done.stdout)
        assert tested, told
        assert int(tested[1]) >= 31
        assert cases, told
        assert int(cases[1]) >= 1_000
        assert "internal error" not in node.log()
