"""The observable values that a pattern is about, for the value index.

``alone`` tells whether seeing that one value satisfies the whole pattern, which is what a block list needs to know:
true for ``=``, ``IN``, ``ISSUBSET`` and a ``LIKE`` without wildcards, reached through ``OR`` only. False under ``AND``,
``FOLLOWEDBY``, ``REPEATS`` of more than one and ``START``/``STOP`` (a sighting now proves nothing about then), and for
values that only surround the object meant (an address that a domain resolves to). What is negated is not indexed.

One ``AND`` does not count: ``dst_ref.type = 'ipv4-addr' AND dst_ref.value = '192.0.2.1'``, as MISP and the standard
itself write it, says of the value what the value says anyway.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from sanjha.errors import Malformed
from sanjha.stix import values
from sanjha.stix.patterns.tree import (
    Combined,
    Comparison,
    Expression,
    Joined,
    Observation,
    Path,
    Pattern,
    Qualified,
    Repeats,
    StartStop,
)

INDEXED_MAX: Final = 10_000  #: values of one pattern in the index; the same bound as one lookup request


class Indexed(NamedTuple):
    """A canonical value (``sanjha.stix.values``) and whether seeing it satisfies the whole pattern."""

    kind: str
    text: str
    alone: bool


#: object type and property -> kinds to try
_PROPERTIES: Final = {
    ("ipv4-addr", "value"): ("ipv4",),
    ("ipv6-addr", "value"): ("ipv6",),
    ("domain-name", "value"): ("domain",),
    ("url", "value"): ("url", "ipv4", "domain"),  # a bare host is often written as a URL
    ("artifact", "url"): ("url",),
    ("email-addr", "value"): ("email",),
    ("mac-addr", "value"): ("mac",),
    ("file", "name"): ("file-name",),
    ("autonomous-system", "number"): ("asn",),
}
_HASHED: Final = frozenset(("file", "artifact", "x509-certificate"))
_ADDRESS: Final = ("ipv4", "mac", "email", "domain")
_PARTIES: Final = frozenset(("network-traffic", "email-message"))
_TYPES_OF: Final = {
    "ipv4": ("ipv4-addr",),
    "ipv6": ("ipv6-addr",),
    "domain": ("domain-name",),
    "email": ("email-addr",),
    "mac": ("mac-addr",),
}


def values_of(pattern: Pattern) -> tuple[Indexed, ...]:
    """The indexed values in the order of first appearance, each once; ``alone`` if it is so anywhere."""
    found: dict[tuple[str, str], bool] = {}
    for value in _expression(pattern.root, True):
        key = (value.kind, value.text)
        found[key] = value.alone or found.get(key, False)
        if len(found) >= INDEXED_MAX:
            break
    return tuple(Indexed(kind, text, alone) for (kind, text), alone in found.items())


def _expression(node: Expression, alone: bool) -> Iterator[Indexed]:
    if isinstance(node, Observation):
        yield from _test(node.test, alone)
    elif isinstance(node, Combined):
        for operand in node.operands:
            yield from _expression(operand, alone and node.operator == "OR")
    else:
        yield from _expression(node.expression, alone and not _conditional(node))


def _conditional(node: Qualified) -> bool:
    return any(
        isinstance(qualifier, StartStop) or (isinstance(qualifier, Repeats) and qualifier.times != 1)
        for qualifier in node.qualifiers
    )


def _test(node: Comparison | Joined, alone: bool) -> Iterator[Indexed]:
    if isinstance(node, Comparison):
        yield from _comparison(node, alone)
        return
    if node.operator == "AND":
        meant = _typed(node.operands) if alone else None
        if meant is not None:
            yield from meant
            return
        alone = False
    for operand in node.operands:
        yield from _test(operand, alone)


def _typed(operands: tuple[Comparison | Joined, ...]) -> list[Indexed] | None:
    """The values of ``x_ref.value = …`` when the other operand is the ``x_ref.type = …`` that it implies, else None."""
    if len(operands) != 2:
        return None
    first, second = operands
    if not isinstance(first, Comparison) or not isinstance(second, Comparison):
        return None
    stated, valued = (first, second) if first.path.steps[-1] == "type" else (second, first)
    if (
        stated.path.steps[-1] != "type"
        or valued.path.steps[-1] != "value"
        or stated.path.object_type != valued.path.object_type
        or stated.path.steps[:-1] != valued.path.steps[:-1]
        or not all(isinstance(step, str) for step in valued.path.steps)
        or stated.operator != "="
        or stated.negated
    ):
        return None
    wanted = _strings(stated)[0] if _strings(stated) else ""
    found = list(_comparison(valued, True))
    return found if found and all(_is_type(value, wanted) for value in found) else None


def _is_type(value: Indexed, object_type: str) -> bool:
    if value.kind == "cidr":
        return object_type == ("ipv6-addr" if ":" in value.text else "ipv4-addr")
    return object_type in _TYPES_OF.get(value.kind, ())


def _comparison(node: Comparison, alone: bool) -> Iterator[Indexed]:
    if node.negated:
        return
    role = _role(node.path)
    if role is None:
        return
    kinds, direct = role
    operator = node.operator
    if operator not in ("=", "IN", "LIKE"):
        if operator not in ("ISSUBSET", "ISSUPERSET") or kinds[0] not in ("ipv4", "ipv6"):
            return
        # ISSUPERSET: the network seen must contain this one; an address in it proves nothing
        direct = direct and operator == "ISSUBSET"
    for text in _strings(node):
        if operator == "LIKE" and ("%" in text or "_" in text):
            continue
        for kind in kinds:
            try:
                value = values.canonical(kind, text)
            except Malformed:
                continue
            yield Indexed(value.kind, value.text, alone and direct)
            break


def _strings(node: Comparison) -> list[str]:
    operand = node.operand
    if operand is None:
        return []
    found = []
    for constant in operand if isinstance(operand, tuple) else (operand,):
        if constant.kind == "string":
            found.append(str(constant.value))
        elif constant.kind == "integer" and node.path.steps[-1] == "number":
            found.append(constant.text.removeprefix("+"))
    return found


def _role(path: Path) -> tuple[tuple[str, ...], bool] | None:
    """The kinds to try on a property's values, and whether the value is the very object that is meant."""
    steps = [step for step in path.steps if isinstance(step, str)]
    last = path.steps[-1]
    if len(steps) == 1:
        kinds = _PROPERTIES.get((path.object_type, steps[0]))
        return None if kinds is None or len(path.steps) != 1 else (kinds, True)
    before = steps[-2] if isinstance(last, str) else steps[-1]
    if before == "hashes" and isinstance(last, str):
        return (values.hash_kind(last),), len(path.steps) == 2 and path.object_type in _HASHED
    if last == "imphash":  # windows-pebinary-ext (STIX 2.1 section 6.7.6)
        return ("imphash",), path.object_type == "file" and steps[0] == "extensions"
    if not before.endswith(("_ref", "_refs")):
        return None
    if last == "value":
        party = path.object_type in _PARTIES and len(steps) == 2
        return (("email",) if path.object_type == "email-message" else _ADDRESS), party
    if last == "name" and path.object_type in ("process", "email-message", "file", "artifact"):
        return ("file-name",), False
    if last == "number":
        return ("asn",), False
    return None
