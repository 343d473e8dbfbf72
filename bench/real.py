"""Real intelligence for the benchmark, where it is present: ATT&CK bundles and converted MISP events."""

import os
import warnings
from pathlib import Path
from typing import Any, Final

import orjson

#: Where it is looked for when SANJHA_SHARED does not say: beside the checkout.
_BESIDE: Final = Path(__file__).resolve().parents[2] / "shared"


def folder() -> Path | None:
    """The folder of real data; None where there is none."""
    place = Path(os.environ.get("SANJHA_SHARED", _BESIDE)) / "data"
    return place if place.is_dir() else None


def bodies(place: Path) -> list[bytes]:
    """Every object once (by id and modified; the first stays), as JSON, sorted by file.

    A MISP event that is malformed as published, or that the converter declines, is left out: tests are about those.
    """
    found: dict[tuple[str, str], bytes] = {}
    for path in sorted((place / "attack").glob("*.json")):
        for item in orjson.loads(path.read_bytes())["objects"]:
            found.setdefault((item["id"], item.get("modified", "")), orjson.dumps(item))
    for path in sorted((place / "misp-events-eset").glob("*.json")):
        try:
            items = _converted(orjson.loads(path.read_bytes()))
        except Exception:  # the converter's errors have no common base
            continue
        for item in items:
            found.setdefault((item["id"], item.get("modified", "")), orjson.dumps(item))
    return list(found.values())


def _converted(document: Any) -> list[dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter's dependencies warn about their own future
        from misp_stix_converter import MISPtoSTIX21Parser

        events = document.get("response", [document])
        items: list[dict[str, Any]] = []
        for event in events:
            parser = MISPtoSTIX21Parser()
            parser.parse_misp_event(event)
            for item in parser.stix_objects:
                items.append(orjson.loads(item.serialize()) if hasattr(item, "serialize") else item)
    return items
