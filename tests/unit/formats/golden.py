"""The files of tests/vectors/formats: what each export makes of ``samples.ORDINARY``.

After a change that is meant: ``python -m tests.unit.formats.golden``, and read the difference before committing it.
"""

from pathlib import Path

from sanjha.formats import FORMATS, Context, Format
from sanjha.formats.shape import Marked
from tests.unit.formats.samples import JANUARY, ORDINARY, rendered

PLACE = Path(__file__).parents[2] / "vectors" / "formats"
OBJECTS = (
    b'{"type":"indicator","spec_version":"2.1","id":"indicator--0b5ea0a5-62a4-4b22-a1d6-0f4be0ea1c30",'
    b' "spaces" :  "kept",'
    b'"created":"2026-01-01T00:00:00.000Z","modified":"2026-01-02T00:00:00.000Z","pattern_type":"stix",'
    b'"pattern":"[domain-name:value = \'evil.example\']","valid_from":"2026-01-01T00:00:00Z",'
    b'"x_unknown":[1,{"a":null}]}',
    b'{"id":"indicator--0b5ea0a5-62a4-4b22-a1d6-0f4be0ea1c31","type":"indicator","name":"\\u00e9 \xd8\xa7",'
    b'"created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","spec_version":"2.1",'
    b'"pattern":"[ipv4-addr:value = \'203.0.113.9\']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"}',
)


def golden_text(format: Format) -> str:
    if format.reads == "objects":
        return b"".join(format.render(map(Marked, OBJECTS), Context("CERT Lahore", JANUARY, 7, "node"))).decode()
    return rendered(format, ORDINARY)[0]


def golden_path(format: Format) -> Path:
    return PLACE / f"{format.name}{format.suffix}"


if __name__ == "__main__":
    for one in FORMATS.values():
        golden_path(one).write_bytes(golden_text(one).encode())
