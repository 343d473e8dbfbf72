"""Pattern text to tree: the whole comparison and observation grammar of STIX 2.1 section 9.

Accepts what the OASIS grammar and validator accept (``stix2patterns.v21``), except where the list in
``sanjha.stix.patterns`` says otherwise. One word of lookahead, one pass, work proportional to the text; recursion
only at parentheses, to a fixed depth.
"""

from collections.abc import Callable
from typing import Final, NoReturn, cast

from sanjha.errors import Malformed, TooLarge
from sanjha.stix.patterns import literals, tokens
from sanjha.stix.patterns.tree import (
    EVERY,
    Combined,
    Comparison,
    ComparisonOperator,
    Constant,
    Expression,
    Joined,
    LiteralKind,
    Observation,
    Path,
    Pattern,
    Qualified,
    Qualifier,
    Repeats,
    StartStop,
    Step,
    Within,
)

PATTERN_LENGTH: Final = 262_144  #: characters; the longest real pattern at hand has under 2,000
NESTING: Final = 100  #: parentheses; the OASIS parser recurses and gives up at a depth that depends on its caller

_CONSTANTS: Final[dict[int, LiteralKind]] = {
    tokens.TIMESTAMP: "timestamp",
    tokens.HEX: "hex",
    tokens.BINARY: "binary",
    tokens.STRING: "string",
    tokens.FLOAT: "float",
    tokens.INTEGER: "integer",
}
_EQUALITY: Final[dict[str, ComparisonOperator]] = {"=": "=", "==": "=", "!=": "!=", "<>": "!="}
_ORDER: Final = frozenset(("<", "<=", ">", ">="))
_ON_STRINGS: Final = frozenset(("LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"))
#: the comparisons whose literal the OASIS validator holds to be a digest; see ``sanjha.stix.patterns`` for the others
_ON_DIGESTS: Final = frozenset(("=", "!=", "<", "<=", ">", ">=", "IN"))


def parse(text: str) -> Pattern:
    """The tree of a pattern. Raises ``Malformed`` with the position and what to do; ``TooLarge`` beyond a limit."""
    if len(text) > PATTERN_LENGTH:
        raise TooLarge(
            f"the pattern has {len(text)} characters, the limit is {PATTERN_LENGTH}: split it into several indicators"
        )
    return _Reading(text).pattern()


class _Reading:
    __slots__ = ("_text", "_words", "at", "depth", "kind", "word")

    def __init__(self, text: str) -> None:
        self._text = text
        self._words = tokens.words(text)
        self.depth = 0
        self.advance()

    def advance(self) -> None:
        found = next(self._words)
        self.kind = kind = cast(int, found.lastindex)
        self.word = found[kind]
        self.at = found.end() - len(self.word)

    def refuse(self, wanted: str) -> NoReturn:
        if self.kind == tokens.END:
            shown = "the pattern ends"
        elif self.kind == tokens.UNKNOWN:
            shown = f"{self.word[:20]!r} starts no word of the pattern language"
        else:
            shown = f"{self.word[:40]!r} stands"
        line = self._text.count("\n", 0, self.at) + 1
        column = self.at - self._text.rfind("\n", 0, self.at)
        raise Malformed(f"pattern, line {line}, column {column}: {shown}; write {wanted}", position=self.at)

    def take(self, word: str, wanted: str | None = None) -> None:
        if self.word != word or self.kind not in (tokens.NAME, tokens.SIGN):
            self.refuse(wanted or repr(word))
        self.advance()

    def at_word(self, word: str) -> bool:
        return self.word == word and self.kind == tokens.NAME

    def descend(self) -> None:
        self.depth += 1
        if self.depth > NESTING:
            raise TooLarge(
                f"pattern, character {self.at + 1}: parentheses are nested deeper than {NESTING}: write fewer of them",
                position=self.at,
            )

    # observation expressions

    def pattern(self) -> Pattern:
        root = self.observations()
        if self.kind != tokens.END:
            self.refuse("AND, OR, FOLLOWEDBY, a qualifier, or nothing more")
        return Pattern(root)

    def observations(self) -> Expression:
        """``FOLLOWEDBY`` binds loosest, then ``OR``, then ``AND`` (the order of rules in the OASIS grammar)."""
        followed: list[Expression] = []
        either: list[Expression] = []
        both = [self.observation()]
        while self.kind == tokens.NAME:
            word = self.word
            if word == "OR" or word == "FOLLOWEDBY":
                either.append(both[0] if len(both) == 1 else Combined("AND", tuple(both)))
                both = []
                if word == "FOLLOWEDBY":
                    followed.append(either[0] if len(either) == 1 else Combined("OR", tuple(either)))
                    either = []
            elif word != "AND":
                break
            self.advance()
            both.append(self.observation())
        last = both[0] if len(both) == 1 else Combined("AND", tuple(both))
        if either:
            last = Combined("OR", (*either, last))
        return Combined("FOLLOWEDBY", (*followed, last)) if followed else last

    def observation(self) -> Expression:
        found: Observation | Combined | Qualified
        simple = self.word == "[" and self.kind == tokens.SIGN
        if simple:
            self.advance()
            found = Observation(self.test())
            self.take("]", "AND, OR or ']'")
        elif self.word == "(" and self.kind == tokens.SIGN:
            self.descend()
            self.advance()
            found = self.observations()
            self.take(")", "AND, OR, FOLLOWEDBY, a qualifier or ')'")
            self.depth -= 1
        else:
            self.refuse("an observation in square brackets: [type:property = 'value']")
        if self.kind != tokens.NAME or self.word not in _QUALIFIERS:
            return found
        qualifiers: list[Qualifier] = []
        seen: set[str] = set()
        while self.kind == tokens.NAME and self.word in _QUALIFIERS:
            # the OASIS validator counts qualifiers of a bare observation only, not those of a parenthesis
            if simple and self.word in seen:
                self.refuse(f"{self.word} once, or put parentheses around what the first one qualifies")
            seen.add(self.word)
            qualifiers.append(_QUALIFIERS[self.word](self))
        return Qualified(found, tuple(qualifiers))

    def within(self) -> Within:
        self.advance()
        if self.kind not in (tokens.INTEGER, tokens.FLOAT) or self.word.startswith("-"):
            self.refuse("a number of seconds that is not negative")
        seconds = float(self.word)
        self.advance()
        self.take("SECONDS")
        return Within(seconds)

    def repeats(self) -> Repeats:
        self.advance()
        times = self.whole("a number of times that is not negative")
        self.take("TIMES")
        return Repeats(times)

    def start_stop(self) -> StartStop:
        self.advance()
        start = self.timestamp()
        self.take("STOP")
        return StartStop(start, self.timestamp())

    def timestamp(self) -> str:
        if self.kind != tokens.TIMESTAMP:
            self.refuse("a timestamp: t'2026-01-31T00:00:00Z'")
        text = self.word[2:-1]
        self.advance()
        return text

    def whole(self, wanted: str, *, negative: bool = False) -> int:
        if self.kind != tokens.INTEGER or (self.word.startswith("-") and not negative):
            self.refuse(wanted)
        self.short_number()
        number = int(self.word)
        self.advance()
        return number

    def short_number(self) -> None:
        if len(self.word) > literals.NUMBER_LENGTH:
            raise TooLarge(
                f"pattern, character {self.at + 1}: a number has more than {literals.NUMBER_LENGTH} digits: shorten it",
                position=self.at,
            )

    # comparison expressions

    def test(self) -> Comparison | Joined:
        """``OR`` binds looser than ``AND``."""
        either: list[Comparison | Joined] = []
        both = [self.comparison()]
        while self.kind == tokens.NAME:
            word = self.word
            if word == "OR":
                either.append(both[0] if len(both) == 1 else Joined("AND", tuple(both)))
                both = []
            elif word != "AND":
                break
            self.advance()
            both.append(self.comparison())
        last = both[0] if len(both) == 1 else Joined("AND", tuple(both))
        return Joined("OR", (*either, last)) if either else last

    def comparison(self) -> Comparison | Joined:
        at = self.at
        if self.word == "(" and self.kind == tokens.SIGN:
            self.descend()
            self.advance()
            inner = self.test()
            self.take(")", "AND, OR or ')'")
            self.depth -= 1
            return inner
        if self.kind == tokens.NAME and (self.word == "EXISTS" or self.word == "NOT"):
            absent = self.word == "NOT"
            if absent:
                self.advance()
            self.take("EXISTS", "EXISTS, or an object path before NOT")
            return Comparison(self.path(), "EXISTS", absent, None, at)
        path = self.path()
        negated = self.at_word("NOT")
        if negated:
            self.advance()
        word = self.word
        operand: Constant | tuple[Constant, ...]
        if self.kind == tokens.SIGN and word in _EQUALITY:
            operator = _EQUALITY[word]
            self.advance()
            operand = self.constant()
        elif self.kind == tokens.SIGN and word in _ORDER:
            operator = cast(ComparisonOperator, word)
            self.advance()
            if self.kind == tokens.NAME:
                self.refuse("a literal with an order: a number, 'string', t'timestamp', h'…' or b'…'")
            operand = self.constant()
        elif self.kind == tokens.NAME and word == "IN":
            operator = "IN"
            self.advance()
            operand = self.set()
        elif self.kind == tokens.NAME and word in _ON_STRINGS:
            operator = cast(ComparisonOperator, word)
            self.advance()
            if self.kind != tokens.STRING:
                self.refuse("a string in single quotes")
            operand = self.constant()
        else:
            self.refuse("an operator: = != < <= > >= IN LIKE MATCHES ISSUBSET ISSUPERSET")
        if "hashes" in path.steps and operator in _ON_DIGESTS:
            _check_digests(path, operand, at)
        return Comparison(path, operator, negated, operand, at)

    def path(self) -> Path:
        wanted = "an object path: type:property"
        if (self.kind != tokens.NAME and self.kind != tokens.HYPHEN_NAME) or self.word in tokens.KEYWORDS:
            self.refuse(wanted)
        object_type = self.word
        self.advance()
        self.take(":", "':' and a property of the object type")
        steps: list[Step] = [self.key()]
        while self.kind == tokens.SIGN:
            if self.word == ".":
                self.advance()
                steps.append(self.key())
            elif self.word == "[":
                self.advance()
                if self.word == "*" and self.kind == tokens.SIGN:
                    self.advance()
                    steps.append(EVERY)
                else:
                    steps.append(self.whole("a list index: a whole number or *", negative=True))
                self.take("]")
            else:
                break
        return Path(object_type, tuple(steps))

    def key(self) -> str:
        word = self.word
        if self.kind == tokens.STRING:
            word = tokens.unquote(word)
        elif self.kind != tokens.NAME or word in tokens.KEYWORDS:
            self.refuse("a property name; one with hyphens, or that is a keyword, goes in single quotes")
        self.advance()
        return word

    def constant(self) -> Constant:
        kind = _CONSTANTS.get(self.kind)
        if kind is None:
            if self.kind != tokens.NAME or (self.word != "true" and self.word != "false"):
                self.refuse("a literal: 'string', number, true, false, t'timestamp', h'…' or b'…'")
            kind = "boolean"
        elif kind == "integer":
            self.short_number()
        found = Constant(kind, self.word)
        self.advance()
        return found

    def set(self) -> tuple[Constant, ...]:
        self.take("(", "a set: ('first', 'second')")
        found: list[Constant] = []
        if self.word == ")" and self.kind == tokens.SIGN:
            self.advance()
            return ()
        while True:
            found.append(self.constant())
            if self.word != "," or self.kind != tokens.SIGN:
                break
            self.advance()
        self.take(")", "',' or ')'")
        return tuple(found)


_QUALIFIERS: Final[dict[str, Callable[[_Reading], Qualifier]]] = {
    "WITHIN": _Reading.within,
    "REPEATS": _Reading.repeats,
    "START": _Reading.start_stop,
}


def _check_digests(path: Path, operand: Constant | tuple[Constant, ...], at: int) -> None:
    algorithm = path.steps[-1]
    if not isinstance(algorithm, str):
        return
    for constant in operand if isinstance(operand, tuple) else (operand,):
        if not literals.is_digest(algorithm, constant.text):
            raise Malformed(
                f"pattern, character {at + 1}: {constant.text[:40]} is no {algorithm[:20]} digest: "
                "write all its hexadecimal digits in quotes",
                position=at,
            )
