"""The machine that takes a text of any size apart into its entries: ``bundles`` says what may come and comes out.

It moves from bracket to bracket with compiled patterns and keeps no more text than the entry it is in. Every entry is
checked to be valid JSON before it is handed out.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, NoReturn

import msgspec

from sanjha.errors import Malformed, TooLarge
from sanjha.stix.problems import Problem, quote
from sanjha.stix.shapes.leaves import UUID
from sanjha.stix.strict import BOM, LONE_SURROGATE, MAX_OBJECT, reads_laxly, sentence

Kind = Literal["bundle", "envelope", "list", "object"]

NESTING: Final = (
    200  #: levels of one entry; the reader allows fewer and says so per object, this keeps the C stack safe
)
GULP: Final = 2**16  #: bytes taken from the chunks at a time, at least

_bundle_id = re.compile(f"bundle--{UUID}").fullmatch
_blank = re.compile(rb"[ \t\r\n]*+").match
_scalar = re.compile(rb"[^ \t\r\n,:\[\]{}\"]*+").match
_string = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL).match
#: From anywhere outside a string to the next bracket outside a string.
_hop = re.compile(rb'[^"{}\[\]]*+(?:"(?:[^"\\]++|\\.)*+"[^"{}\[\]]*+)*+', re.DOTALL).match
_position = re.compile(r" \(byte ([0-9]+)\)$").search
_decode = msgspec.json.Decoder().decode
_raw = msgspec.json.Decoder(msgspec.Raw).decode
_QUOTE, _OPEN, _CLOSE, _LIST, _END, _COMMA, _COLON = b'"{}[],:'
_FACTS: Final = frozenset(("type", "id", "spec_version", "more", "next"))
_OPENERS: Final = frozenset(b"{[")
_LONG: Final = frozenset(b'{["')  #: how values begin that say themselves where they end
_UTF16: Final = frozenset((0x00, 0xFE, 0xFF))  #: how UTF-16 and UTF-32 begin, with or without their mark


class Stream(Iterator[bytes]):
    """An iterator over the entries. Its facts are known as far as the text was read: complete when it is exhausted."""

    def __init__(self, chunks: Iterable[bytes], *, limit: int = MAX_OBJECT) -> None:
        self.kind: Kind = "object"
        self.id: str | None = None
        self.spec: str | None = None
        self.more = False
        self.next: str | None = None
        self.warnings: list[Problem] = []
        self.limit = limit
        self._chunks = iter(chunks)
        self._text = b""
        self._at = 0  # where reading stands in _text
        self._keep = 0  # what lies before it in _text is done with
        self._hold = False  # in an object that may turn out to be the one entry: all of it is kept
        self._gone = 0  # bytes dropped before _text
        self._lines = 1  # the line in which _text begins, and where that line begins
        self._line_start = 0
        self._ended = False
        self._facts: dict[Any, Any] = {}
        self._tail = 0  # bytes of names and values behind the entries, bounded together
        self._settled = False
        self._entries = self._read()

    def __next__(self) -> bytes:
        return next(self._entries)

    @property
    def offset(self) -> int:
        """Bytes read so far."""
        return self._gone + self._at

    # The text. Positions are indexes into _text; _fetch says by how much they move.

    def _fetch(self) -> int:
        """Puts more text behind what is there and drops what is done with.

        Returns by how much positions moved down; -1 at the end. Takes at least as much as it must copy, so that the
        whole costs linear time however small the chunks are.
        """
        if self._ended:
            return -1
        drop = self._keep
        kept = self._text[drop:]
        wanted = max(GULP, len(kept))
        parts, size = [kept], 0
        while size < wanted:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._ended = True
                break
            parts.append(chunk)
            size += len(chunk)
        if not size:
            return -1
        newlines = self._text.count(b"\n", 0, drop)
        if newlines:
            self._lines += newlines
            self._line_start = self._gone + self._text.rindex(b"\n", 0, drop) + 1
        self._gone += drop
        self._at -= drop
        self._keep = 0
        self._text = b"".join(parts)
        return drop

    def _skip(self) -> int:
        """The next byte that is no blank, without taking it; -1 at the end."""
        while True:
            self._at = _blank(self._text, self._at).end()  # type: ignore[union-attr]  # it matches the empty text
            if self._hold:
                self._bound(self._keep, self._at)
            else:
                self._keep = self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if self._fetch() < 0:
                return -1

    def _place(self, at: int) -> tuple[int, int]:
        """Line and column of a position."""
        begin = self._text.rfind(b"\n", 0, at)
        start = self._line_start if begin < 0 else self._gone + begin + 1
        return self._lines + self._text.count(b"\n", 0, at), self._gone + at - start + 1

    def _fail(self, message: str, at: int | None = None) -> NoReturn:
        """``at``: where reading stands, when left out."""
        at = self._at if at is None else min(at, len(self._text))
        line, column = self._place(at)
        raise Malformed(
            f"line {line}, column {column}: {message}; correct the file or fetch it again",
            line=line,
            column=column,
            offset=self._gone + at,
        )

    def _bound(self, begin: int, end: int) -> None:
        if end - begin > self.limit:
            line, column = self._place(begin)
            raise TooLarge(
                f"what begins at line {line}, column {column} has more than {self.limit} bytes; send it in parts, "
                "or look for a missing bracket or quote",
                line=line,
                column=column,
                offset=self._gone + begin,
            )

    def _value(self) -> int:
        """Takes one JSON value and returns where it begins; it ends where reading stands then. Not checked inside."""
        first = self._skip()
        begin = at = self._at
        depth = 0
        while True:
            text = self._text
            end = len(text)
            if depth or first in _OPENERS:
                # 1: from bracket to bracket
                while True:
                    at = _hop(text, at).end()  # type: ignore[union-attr]  # it matches the empty text
                    if at >= end or text[at] == _QUOTE:
                        break
                    sign = text[at]
                    at += 1
                    if sign in _OPENERS:
                        depth += 1
                        if depth > NESTING:
                            self._at = at
                            line, column = self._place(begin)
                            raise TooLarge(
                                f"what begins at line {line}, column {column} nests deeper than {NESTING}; flatten it"
                            )
                    else:
                        depth -= 1
                        if depth == 0:
                            self._bound(self._keep if self._hold else begin, at)
                            self._at = at
                            return begin
            elif first == _QUOTE:
                # 2: a string
                found = _string(text, at)
                if found is not None:
                    self._at = found.end()
                    self._bound(self._keep if self._hold else begin, self._at)
                    return begin
            else:
                # 3: a number or a word; at the end of the text it may go on behind it
                at = _scalar(text, at).end()  # type: ignore[union-attr]  # it matches the empty text
                if at < end or self._ended:
                    if at == begin:
                        self._fail(
                            "the text ends where a value should stand" if first < 0 else "a value should stand here"
                        )
                    self._bound(self._keep if self._hold else begin, at)
                    self._at = at
                    return begin
            self._bound(self._keep if self._hold else begin, end)
            moved = self._fetch()
            if moved < 0:
                if first in _LONG:
                    self._sound(begin, end)
                    self._fail("the text ends before the JSON does", end)
                continue  # the end of the text is now known to be the end of the word
            begin -= moved
            at -= moved

    def _sound(self, begin: int, end: int) -> Any:
        """The value between two positions, checked. What concerns only one entry is left for the reader to report."""
        part = self._text[begin:end]
        try:
            try:
                return _decode(part)
            except msgspec.ValidationError:  # a number out of range, and nobody knows what comes behind it
                part.decode()
                _raw(part)
                return None
        except UnicodeDecodeError:
            self._fail("this is not UTF-8", begin + _first_foreign(part))
        except msgspec.DecodeError as error:
            if LONE_SURROGATE.search(part) and reads_laxly(part):
                return None
            place = _position(str(error))
            at = begin + int(place[1]) if place else end
            words = sentence(error)
            self._fail(words[: place.start() - len(str(error))] if place else words, at)

    # The grammar.

    def _read(self) -> Iterator[bytes]:
        first = self._skip()
        if self._gone == 0 and self._text.startswith(BOM):
            self._fail("the text begins with a byte order mark; save it as UTF-8 without one")
        if first in _UTF16:
            self._fail("the text is not UTF-8")
        if first < 0:
            self._fail("there is no text")
        if first == _LIST:
            self.kind = "list"
            yield from self._items()
        elif first == _OPEN:
            yield from self._members()
        else:
            begin = self._value()
            self._sound(begin, self._at)
            self._fail("this is no STIX: neither an object nor a list", begin)
        if self._skip() >= 0:
            self._fail("there is more behind the end of the JSON")

    def _items(self) -> Iterator[bytes]:
        """The entries of the list that begins here."""
        self._at += 1
        if self._skip() == _END:
            self._at += 1
            return
        while True:
            begin = self._value()
            end = self._at
            self._sound(begin, end)
            self._keep = end
            yield self._text[begin:end]
            sign = self._skip()
            if sign == _COMMA:
                self._at += 1
                if self._skip() == _END:
                    self._fail("trailing comma in array")
            elif sign == _END:
                self._at += 1
                return
            else:
                self._fail("the text ends inside the list" if sign < 0 else "',' or ']' should stand here")

    def _members(self) -> Iterator[bytes]:
        """The object that begins here: a bundle or envelope with its entries, or itself the one entry."""
        names: set[object] = set()
        self._hold = True  # until the list of objects comes, the whole may be one entry
        self._at += 1
        sign = self._skip()
        while sign != _CLOSE:
            name = self._name(sign, names)
            if self._skip() == _LIST and name == "objects":
                self._hold = False
                self._settle()
                yield from self._items()
            else:
                begin = self._value()
                value = self._sound(begin, self._at)
                self._tail += 0 if self._hold else self._at - begin
                if name in _FACTS:
                    self._facts[name] = value
            if self._tail > self.limit:
                self._bound(self._at - self._tail, self._at)
            sign = self._skip()
            if sign == _COMMA:
                self._at += 1
                sign = self._skip()
                if sign == _CLOSE:
                    self._fail("trailing comma in object")
            elif sign != _CLOSE:
                self._fail("the text ends inside the object" if sign < 0 else "',' or '}' should stand here")
        self._at += 1
        kind = self._facts.get("type")
        if not self._hold:
            self._settle()
        elif kind is None or kind == "bundle":
            if "objects" in names:
                self._fail("the objects of a bundle or envelope must be a list", self._keep)
            if kind is None and not names <= {"more", "next"}:
                self._fail("this is no STIX: an object without type, and without a list of objects", self._keep)
            self._settle()
        else:
            begin, end = self._keep, self._at
            self._bound(begin, end)
            yield self._text[begin:end]
        self._hold = False

    def _name(self, sign: int, names: set[object]) -> object:
        """Takes a name and the colon behind it."""
        if sign != _QUOTE:
            self._fail("the text ends inside the object" if sign < 0 else "a name in quotes should stand here")
        begin = self._value()
        name = self._sound(begin, self._at)
        if name is None:  # valid JSON that only a lax reader reads: the bytes stand for it
            name = self._text[begin : self._at]
        if name in names:
            self._fail(f"the name {quote(name)} stands twice in one object", begin)
        names.add(name)
        self._tail += 0 if self._hold else self._at - begin
        sign = self._skip()
        if sign != _COLON:
            self._fail("the text ends inside the object" if sign < 0 else "':' should stand here")
        self._at += 1
        return name

    def _settle(self) -> None:
        """What is known of the bundle or envelope so far: at the beginning of its list, and again at its end."""
        facts = self._facts
        known = facts.get("type")
        self.kind = "bundle" if known == "bundle" else "envelope"
        self.warnings = []
        spec, self.spec = self.spec, None
        if isinstance(facts.get("spec_version"), str):
            self.spec = facts["spec_version"]
            if self._settled and spec is None:
                self._warn("spec_version", "8/order", "spec_version stands behind the objects", "write it before them")
        elif "spec_version" in facts:
            self._warn(
                "spec_version", "8/type", "spec_version must be a string", 'write "2.0", or leave it out for 2.1'
            )
        if isinstance(facts.get("id"), str):
            self.id = facts["id"]
        if known is not None and known != "bundle":
            self._warn(
                "type", "8/type", f"type is {quote(known)}; read as a bundle for its list of objects", 'write "bundle"'
            )
        elif known == "bundle" and (self.id is None or not _bundle_id(self.id)):
            self._warn("id", "8/id", "the bundle has no id of the form bundle--UUID", "give it one")
        self.more = facts.get("more") is True
        self.next = facts["next"] if isinstance(facts.get("next"), str) else None
        if not isinstance(facts.get("more", True), bool):
            self._warn("more", "taxii/more", "more must be true or false", "correct it")
        if not isinstance(facts.get("next", ""), str):
            self._warn("next", "taxii/next", "next must be a string", "correct it")
        self._settled = True

    def _warn(self, name: str, rule: str, message: str, remedy: str) -> None:
        rule = rule.replace("taxii", "taxii-2.1/3.7") if rule.startswith("taxii") else f"stix-2.1/{rule}"
        self.warnings.append(Problem(self.id, f"$.{name}", rule, message, remedy))


def _first_foreign(part: bytes) -> int:
    """Where the first byte stands that is not UTF-8."""
    try:
        part.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


def depth(entry: bytes) -> int:
    """How deep the brackets of a valid value nest, counted no further than just past ``NESTING``."""
    deepest = now = at = 0
    while True:
        at = _hop(entry, at).end()  # type: ignore[union-attr]  # it matches the empty text
        if at >= len(entry) or deepest > NESTING:
            return deepest
        now += 1 if entry[at] in b"{[" else -1
        deepest = max(deepest, now)
        at += 1
