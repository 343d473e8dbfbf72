"""A collection walked with ``taxii2-client`` while other processes write to it: not a gap, not a repeat."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from taxii2client.v21 import Collection, as_pages

from tests.running import Served, indicator, sanjha

WRITERS: Final = 2
PAGE: Final = 1_000

#: Posts envelopes until its standard input ends, then prints the ids that were acknowledged.
_WRITER: Final = """
import json, sys, threading, uuid
import httpx
url, secret, each, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
from tests.running import TAXII, envelope, indicator
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
done = []
with httpx.Client(trust_env=False, timeout=120, headers={"Authorization": "Bearer " + secret, "Content-Type": TAXII}) as client:
    while not over.is_set():
        ids = [str(uuid.uuid4()) for _ in range(each)]
        answer = client.post(url, content=envelope([indicator(i) for i in ids]))
        assert answer.status_code == 202 and answer.json()["success_count"] == each, answer.text
        if not done:
            print("writing", flush=True)
        done += ids
        over.wait(pause)
print(json.dumps(done))
"""


def preloaded(count: int) -> Iterator[str]:
    """The ids of the objects that are there beforehand."""
    return (f"indicator--{uuid.UUID(int=number, version=4)}" for number in range(count))


def preload(node: Served, path: Path, count: int) -> None:
    """Imports a bundle of ``count`` objects by the command."""
    form = json.dumps(indicator("ID"), separators=(",", ":"))
    with path.open("w") as out:
        out.write('{"type":"bundle","id":"bundle--' + str(uuid.UUID(int=1, version=4)) + '","objects":[')
        for number, name in enumerate(preloaded(count)):
            out.write(("," if number else "") + form.replace("indicator--ID", name))
        out.write("]}")
    done = json.loads(sanjha("import", node.folder, path, "--collection", node.first, "--json"))["files"][0]
    assert done["stored"] == count
    path.unlink()


class Writers:
    """Processes that write to a node's first collection for the length of a ``with``."""

    def __init__(self, node: Served, secret: str, each: int = 25, pause: float = 0.05) -> None:
        command = [sys.executable, "-c", _WRITER, node.objects(), secret, str(each), str(pause)]
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(WRITERS)
        ]

    def wait(self) -> None:
        """Until each has written."""
        for process in self._processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "writing\n"

    def stop(self) -> set[str]:
        """Ends them; the ids of everything that was acknowledged."""
        written: set[str] = set()
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in self._processes:
            assert process.stdout is not None
            found = json.loads(process.stdout.read())
            assert process.wait(60) == 0
            process.stdout.close()
            written.update(f"indicator--{each}" for each in found)
        return written

    def __enter__(self) -> "Writers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None and not pipe.closed:
                    pipe.close()


def walk(collection: Collection, **filters: Any) -> Iterator[str]:
    """Ids by ``as_pages``, as a user of the client has them."""
    for page in as_pages(collection.get_objects, per_request=PAGE, **filters):
        yield from (item["id"] for item in page.get("objects", ()))


def walk_while_writing(node: Served, secret: str, collection: Collection, count: int) -> dict[str, float]:
    """Walks ``count`` preloaded objects and whatever comes meanwhile; seconds and objects, or a failed assertion."""
    with Writers(node, secret) as writers:
        writers.wait()
        began = time.monotonic()
        seen = list(walk(collection))
        taken = time.monotonic() - began
        written = writers.stop()
    # What was acknowledged behind the last page: where the client stood, and on.
    rest = list(walk(collection, added_after=_date_of(collection, seen[-1])))
    everything = [*seen, *rest]
    unique = set(everything)
    assert len(everything) == len(unique), f"{len(everything) - len(unique)} repeats"
    assert everything[:count] == list(preloaded(count)), "what was there first comes first, in its order"
    assert unique == written.union(preloaded(count)), f"{len(written - unique)} gaps"
    manifest = [
        item["id"] for page in as_pages(collection.get_manifest, per_request=PAGE) for item in page.get("objects", ())
    ]
    assert manifest == everything
    return {"seconds": round(taken, 2), "walked": len(seen), "written": len(written)}


def _date_of(collection: Collection, name: str) -> str:
    return str(collection.get_manifest(id=name)["objects"][0]["date_added"])
