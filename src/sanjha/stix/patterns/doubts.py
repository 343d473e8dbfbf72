"""What the grammar allows and no observation can satisfy."""

from sanjha.errors import Malformed
from sanjha.stix import timestamps
from sanjha.stix.patterns.tree import Combined, Comparison, Expression, Joined, Observation, Pattern, StartStop


def doubts(pattern: Pattern) -> tuple[str, ...]:
    """Sentences about a valid pattern that can never match as written, each once; usually none."""
    found: dict[str, None] = {}
    _expression(pattern.root, found)
    return tuple(found)


def _expression(node: Expression, found: dict[str, None]) -> None:
    if isinstance(node, Observation):
        _test(node.test, found)
    elif isinstance(node, Combined):
        for operand in node.operands:
            _expression(operand, found)
    else:
        _expression(node.expression, found)
        for qualifier in node.qualifiers:
            if isinstance(qualifier, StartStop):
                _window(qualifier, found)


def _window(window: StartStop, found: dict[str, None]) -> None:
    try:
        empty = timestamps.parse(window.start) >= timestamps.parse(window.stop)
    except Malformed as error:
        found[error.public] = None
        return
    if empty:
        found[f"START {window.start} is not before STOP {window.stop}: nothing happens in between; exchange them"] = (
            None
        )


def _test(node: Comparison | Joined, found: dict[str, None]) -> frozenset[str]:
    """The object types that can satisfy the test."""
    if isinstance(node, Comparison):
        return frozenset((node.path.object_type,))
    types = [_test(operand, found) for operand in node.operands]
    if node.operator == "OR":
        return types[0].union(*types)
    possible = types[0].intersection(*types)
    if not possible and all(types):
        named = ", ".join(sorted(types[0].union(*types))[:4])
        found[
            f"AND joins properties of {named} within one pair of brackets, and no object has two types"
            " (STIX 2.1 section 9): put each type in brackets of its own"
        ] = None
    return possible
