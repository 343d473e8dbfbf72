"""What import contracts cannot see: which calls a module makes."""

from collections.abc import Callable

import pytest

from tests.architecture.sources import imports, mentions, modules

#: Asks what time it is. Durations (monotonic, perf_counter) and sleeping are no question of the date.
TIME = frozenset(
    {
        "datetime.date.today",
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
        "sanjha.clock.now",
        "time.gmtime",
        "time.localtime",
        "time.time",
        "time.time_ns",
    }
)
CHANCE = frozenset({"sanjha.ids.new_uuid", "uuid.getnode", "uuid.uuid1", "uuid.uuid4"})
OUTSIDE = frozenset({"input", "open", "print", "breakpoint", "exec", "eval", "compile", "__import__"})
#: Speak HTTP by themselves; their packages also hold harmless things, so that a contract cannot name them.
HTTP = frozenset({"urllib.request", "xmlrpc", "wsgiref", "asyncio.open_connection", "asyncio.start_server"})

#: What a rules.py may stand on: values in, a decision out.
RULES_MAY_IMPORT = (
    "__future__",
    "base64",
    "bisect",
    "collections",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "ipaddress",
    "itertools",
    "math",
    "msgspec",
    "operator",
    "re",
    "string",
    "types",
    "typing",
    "sanjha.access.actions",
    "sanjha.access.policy",
    "sanjha.errors",
    "sanjha.formats",
    "sanjha.ids",
    "sanjha.stix",
)


def _within(name: str, of: str) -> bool:
    return name == of or name.startswith(of + ".")


def _uses(path: str, source: str, banned: frozenset[str], advice: str) -> list[str]:
    found = {(line, name) for line, name in mentions(source) for each in banned if _within(name, each)}
    found |= {(line, name) for line, name in imports(source) for each in banned if _within(name, each)}
    return [f"{path}:{line}: {name}: {advice}" for line, name in sorted(found)]


def asks_the_time(path: str, source: str) -> list[str]:
    if path == "src/sanjha/clock.py":
        return []
    banned = TIME - {"sanjha.clock.now"}
    return _uses(
        path, source, banned, "only clock.py asks the time; take it as a parameter, or call clock.now in a shell"
    )


def is_impure(path: str, source: str) -> list[str]:
    pure = path.startswith(("src/sanjha/stix/", "src/sanjha/formats/")) or path.endswith("/rules.py")
    if not pure:
        return []
    return _uses(path, source, TIME | CHANCE | OUTSIDE, "a pure module takes this as a parameter")


def leans_too_far(path: str, source: str) -> list[str]:
    if not path.endswith("/rules.py"):
        return []
    return [
        f"{path}:{line}: {name}: rules.py is pure: it may not import this"
        for line, name in imports(source)
        if not any(_within(name, allowed) for allowed in RULES_MAY_IMPORT)
    ]


def speaks_http(path: str, source: str) -> list[str]:
    if path.startswith(("src/sanjha/doors/", "src/sanjha/node/adapters/")):
        return []
    return _uses(path, source, HTTP, "only doors and node/adapters speak HTTP")


CHECKS: list[Callable[[str, str], list[str]]] = [asks_the_time, is_impure, leans_too_far, speaks_http]


@pytest.mark.parametrize("check", CHECKS)
def test_the_source_keeps_the_rule(check: Callable[[str, str], list[str]]) -> None:
    problems = [problem for path, source in modules("src") for problem in check(path, source)]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("check", "path", "source"),
    [
        (asks_the_time, "exchange/store.py", "import time\ntime.time()"),
        (asks_the_time, "exchange/store.py", "from time import time_ns as moment\nmoment()"),
        (asks_the_time, "stix/reading.py", "from datetime import datetime\ndatetime.now()"),
        (asks_the_time, "node/app.py", "import datetime as d\nd.datetime.utcnow()"),
        (is_impure, "stix/bundles.py", "open('x')"),
        (is_impure, "formats/csv.py", "import uuid\nuuid.uuid4()"),
        (is_impure, "formats/csv.py", "from uuid import uuid4 as new"),
        (is_impure, "exchange/rules.py", "from sanjha import clock\nclock.now()"),
        (leans_too_far, "exchange/rules.py", "import sqlalchemy"),
        (leans_too_far, "exchange/rules.py", "from sanjha.exchange import store"),
        (leans_too_far, "exchange/rules.py", "from . import store"),
        (leans_too_far, "exchange/rules.py", "def later():\n    import random"),
        (speaks_http, "exchange/feeds.py", "import urllib.request"),
        (speaks_http, "node/tasks.py", "from urllib.request import urlopen"),
    ],
)
def test_a_breach_is_seen(check: Callable[[str, str], list[str]], path: str, source: str) -> None:
    assert check(f"src/sanjha/{path}", source)
    assert not check(f"src/sanjha/{path}", "import re\nfrom typing import Final\nPATTERN: Final = re.compile('x')")
