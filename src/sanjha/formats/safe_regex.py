"""Other people's regular expressions, admitted only where the worst text has a bounded price.

Python's ``re`` backtracks, so a pattern can cost more than the age of the universe. This reads the pattern's parse
tree, bounds the number of ways in which the engine can try it on a text of n characters, and either refuses it or
says how long a text may be. Longer texts do not match (and warning lists, whose patterns these are, only speak of
short values). What MISP's lists hold today (``/^(abuse|noc)\\@.*\\..*$/i``) is admitted.

The bound: each alternative multiplies the ways, each repetition without a fixed count is a place to stop (so d of
them can be placed on n characters in C(n + d, d) ways), and a repeated group that itself varies is admitted only when
a literal that nothing else in it can match marks its end or its beginning (``([a-z0-9-]+\\.)+``).
"""

import importlib
import math
import re
import warnings
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sanjha.errors import Malformed

MAX_PATTERN: Final = 1_000  #: characters
MAX_WAYS: Final = 2_000_000  #: tries of the engine for the worst text: about 50 ms
LONGEST_TEXT: Final = 4_096  #: characters
SHORTEST_LIMIT: Final = 64  #: a pattern that may only look at less is refused: domains are longer

_PHP_FORM: Final = re.compile(r"/(.*)/([a-zA-Z]*)", re.DOTALL)  # how MISP writes them
_FLAGS: Final = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "u": re.NOFLAG, "D": re.NOFLAG}
_parse: Final = importlib.import_module("re._parser").parse

_Node = tuple[Any, Any]


class _Cost(NamedTuple):
    ways: int
    stops: int


class SafeRegex(NamedTuple):
    """A compiled pattern and the longest text that it may see."""

    compiled: re.Pattern[str]
    longest: int

    def found_in(self, text: str) -> bool:
        """Whether the pattern matches somewhere in ``text``; False for a text longer than ``longest``."""
        return len(text) <= self.longest and self.compiled.search(text) is not None


def admit(pattern: str) -> SafeRegex:
    """Compiles ``pattern``, with or without ``/…/flags``. Raises ``Malformed`` when it is wrong or too dear."""
    if len(pattern) > MAX_PATTERN:
        raise Malformed(f"the regular expression has {len(pattern)} characters: at most {MAX_PATTERN} are read")
    flags = re.NOFLAG
    if found := _PHP_FORM.fullmatch(pattern):
        pattern = found[1]
        for letter in found[2]:
            if letter not in _FLAGS:
                raise Malformed(f"the regular expression has the flag {letter!r}: only i, m, s, u and D are read")
            flags |= _FLAGS[letter]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # "[[" means to PHP what it means to Python today
            tree = list(_parse(pattern, flags))
            cost = _sequence(tree)
            compiled = re.compile(pattern, flags)
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        raise Malformed(f"not a regular expression: {str(error)[:100]}") from None
    stops = cost.stops + (0 if _anchored(tree) and not flags & re.MULTILINE else 1)
    longest = LONGEST_TEXT
    while longest >= SHORTEST_LIMIT and cost.ways * math.comb(longest + stops, stops) > MAX_WAYS:
        longest = longest * 3 // 4
    if longest < SHORTEST_LIMIT:
        raise Malformed("the regular expression could take too long: use fewer repetitions and alternatives")
    return SafeRegex(compiled, longest)


def _anchored(tree: Sequence[_Node]) -> bool:
    return bool(tree) and str(tree[0][0]) == "AT" and str(tree[0][1]) in ("AT_BEGINNING", "AT_BEGINNING_STRING")


def _sequence(nodes: Sequence[_Node]) -> _Cost:
    ways, stops = 1, 0
    for node in nodes:
        cost = _cost(node)
        ways, stops = ways * cost.ways, stops + cost.stops
        if ways > MAX_WAYS or stops > 16:
            raise Malformed("the regular expression could take too long: use fewer repetitions and alternatives")
    return _Cost(ways, stops)


def _cost(node: _Node) -> _Cost:
    name, argument = str(node[0]), node[1]
    if name in ("LITERAL", "NOT_LITERAL", "ANY", "IN", "AT"):
        return _Cost(1, 0)
    if name == "SUBPATTERN":
        return _sequence(argument[-1])
    if name == "BRANCH":
        costs = [_sequence(branch) for branch in argument[1]]
        return _Cost(sum(cost.ways for cost in costs), max(cost.stops for cost in costs))
    if name in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, body = argument
        return _repeat(int(least), int(most), list(body))
    raise Malformed(f"the regular expression uses {name.lower()}: look-around and back-references are not read")


def _repeat(least: int, most: int, body: list[_Node]) -> _Cost:
    inner = _sequence(body)
    if most <= 1:
        return _Cost(inner.ways + (least == 0), inner.stops)
    if inner == (1, 0):
        return _Cost(1, 0 if least == most else 1)
    if least == most:
        if most > 64:
            raise Malformed("the regular expression repeats a group too often")
        return _Cost(min(inner.ways**most, MAX_WAYS + 1), inner.stops * most)
    if inner.ways == 1 and _separated(body):
        return _Cost(1, 1 + inner.stops)
    raise Malformed("the regular expression repeats a group that can match in several ways: it could take for ever")


def _separated(body: list[_Node]) -> bool:
    """Whether a literal at either end of ``body`` cannot be matched by any other part of it."""
    while len(body) == 1 and str(body[0][0]) == "SUBPATTERN":
        body = list(body[0][1][-1])
    for edge, rest in ((body[0], body[1:]), (body[-1], body[:-1])):
        if str(edge[0]) == "LITERAL" and not any(_may_match(node, int(edge[1])) for node in rest):
            return True
    return False


def _may_match(node: _Node, letter: int) -> bool:
    """Whether ``node`` could match the character; True when in doubt. Case is folded, as the flag may be set."""
    name, argument = str(node[0]), node[1]
    if name == "LITERAL":
        return chr(argument).casefold() == chr(letter).casefold()
    if name == "IN":
        return any(_member(part, letter) for part in argument)
    if name in ("MAX_REPEAT", "MIN_REPEAT"):
        return any(_may_match(part, letter) for part in argument[2])
    if name == "SUBPATTERN":
        return any(_may_match(part, letter) for part in argument[-1])
    return name != "AT"


def _member(part: _Node, letter: int) -> bool:
    name, argument = str(part[0]), part[1]
    if name == "LITERAL":
        return chr(argument).casefold() == chr(letter).casefold()
    if name == "RANGE":
        both = {ord(form) for form in (chr(letter).lower(), chr(letter).upper()) if len(form) == 1}
        return any(argument[0] <= form <= argument[1] for form in both)
    if name == "CATEGORY" and str(argument) in ("CATEGORY_DIGIT", "CATEGORY_WORD"):
        return chr(letter).isalnum() or letter == ord("_")
    return True
