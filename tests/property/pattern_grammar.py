"""Hypothesis strategies that write STIX patterns by the grammar, and that spoil them."""

from hypothesis import strategies as st

KEYWORDS = (
    "AND OR NOT FOLLOWEDBY LIKE MATCHES ISSUPERSET ISSUBSET EXISTS LAST IN START STOP SECONDS true false "
    "WITHIN REPEATS TIMES"
).split()

_gap = st.sampled_from([" ", " ", " ", "  ", "\t", "\n", "\u00a0", "\u2003", " /* a ' comment */ ", " // to the end\n"])
_maybe_gap = st.one_of(st.just(""), st.just(""), _gap)
_name = st.one_of(
    st.sampled_from(["value", "name", "hashes", "x_y", "_z", "t", "h", "b", "a1", "AND1", "trueish", "IN_"]),
    st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,6}", fullmatch=True).filter(lambda word: word not in KEYWORDS),
)
_object_type = st.one_of(
    st.sampled_from(["file", "ipv4-addr", "domain-name", "url", "network-traffic", "x-a_b-", "t", "AND-x"]), _name
)
_text = st.text(
    st.one_of(st.sampled_from("abc .%_'\\/*[]()=\n\u00e9\U0001f600-"), st.characters(max_codepoint=0x2FFF)), max_size=8
)


def quoted(text: str) -> str:
    """A string literal of the pattern language."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


strings = _text.map(quoted)
_integer = st.one_of(st.integers(-(10**20), 10**20).map(str), st.sampled_from(["0", "-0", "+0", "+7"]))
_whole = st.one_of(st.integers(0, 10**9).map(str), st.sampled_from(["0", "+3"]))
_float = st.from_regex(r"[+-]?[0-9]{0,3}\.[0-9]{1,3}", fullmatch=True)
_timestamp = st.from_regex(
    r"t'[0-9]{4}-(0[1-9]|1[012])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]{1,9})?Z'",
    fullmatch=True,
).filter(str.isascii)
_hex = st.binary(max_size=4).map(lambda raw: f"h'{raw.hex()}'")
_binary = st.from_regex(
    r"b'([A-Za-z0-9+/]{4}){0,2}([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)'", fullmatch=True
)
_orderable = st.one_of(strings, strings, _integer, _float, _timestamp, _hex, _binary)
_primitive = st.one_of(_orderable, _orderable, st.sampled_from(["true", "false"]))
_digests = st.sampled_from(
    [
        ("MD5", 32),
        ("'SHA-1'", 40),
        ("'SHA-256'", 64),
        ("SHA512", 128),
        ("md6", 40),
        ("'MD\\'5'", 32),
        ("Whirlpool", 128),
    ]
)


@st.composite
def object_paths(draw: st.DrawFn) -> str:
    gap = draw(_maybe_gap)
    steps = draw(
        st.lists(
            st.one_of(
                _name.map(lambda name: f".{name}"),
                strings.map(lambda name: f".{name}"),
                _whole.map(lambda index: f"[{index}]"),
                st.just("[ * ]"),
            ),
            max_size=3,
        )
    )
    return draw(_object_type) + gap + ":" + gap + draw(st.one_of(_name, strings)) + "".join(steps)


@st.composite
def _comparisons(draw: st.DrawFn) -> str:
    gap = draw(_gap)
    tight = draw(_maybe_gap)
    form = draw(st.integers(0, 6))
    if form == 6:
        name, length = draw(_digests)
        digits = draw(st.text("0123456789abcdefABCDEF", min_size=length - 1, max_size=length + 1))
        return f"file:hashes.{name}{tight}={tight}'{digits}'"
    path = draw(object_paths())
    if form == 5:
        return draw(st.sampled_from(["", f"NOT{gap}"])) + f"EXISTS{gap}{path}"
    path += draw(st.sampled_from([gap, f"{gap}NOT{gap}"]))
    if form == 0:
        return path + draw(st.sampled_from(["=", "==", "!=", "<>"])) + tight + draw(_primitive)
    if form == 1:
        return path + draw(st.sampled_from(["<", ">", "<=", ">="])) + tight + draw(_orderable)
    if form == 2:
        return f"{path}IN{tight}({tight}" + f"{tight},".join(draw(st.lists(_primitive, max_size=3))) + f"{tight})"
    return path + draw(st.sampled_from(["LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"])) + tight + draw(strings)


def _join(operators: list[str]) -> st.SearchStrategy[str]:
    return st.tuples(_gap, st.sampled_from(operators), _gap).map("".join)


def _tests() -> st.SearchStrategy[str]:
    return st.recursive(
        _comparisons(),
        lambda inner: st.one_of(
            st.tuples(inner, _join(["AND", "OR"]), inner).map("".join), inner.map(lambda one: f"({one} )")
        ),
        max_leaves=4,
    )


_qualifier = st.one_of(
    st.tuples(
        st.just("WITHIN"), _gap, st.one_of(_whole, st.sampled_from(["0.5", ".5", "+1.5"])), _gap, st.just("SECONDS")
    ),
    st.tuples(st.just("REPEATS"), _gap, _whole, _gap, st.just("TIMES")),
    st.tuples(st.just("START"), _gap, _timestamp, _gap, st.just("STOP"), _gap, _timestamp),
).map("".join)


def patterns() -> st.SearchStrategy[str]:
    """Patterns by the grammar; some fall to the validator (a wrong digest, a qualifier twice)."""
    return st.recursive(
        _tests().map(lambda test: f"[{test}]"),
        lambda inner: st.one_of(
            st.tuples(inner, _join(["AND", "OR", "FOLLOWEDBY"]), inner).map("".join),
            st.tuples(inner, _gap, _qualifier).map("".join),
            inner.map(lambda one: f"( {one})"),
        ),
        max_leaves=4,
    )


_scraps = st.one_of(
    st.sampled_from(
        [*KEYWORDS, *"[]().,:*'\\=<>!+-/^ \n\u00a0\ufeff\x00\"0a", "/*", "*/", "//", "t'", "h'", "-1", ".5", "''"]
    ),
    st.sampled_from([" AND ", " WITHIN 5 SECONDS", "[*]", "a:b = 1", "NOT "]),
)


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    """A pattern with one to three small injuries: text inserted, cut out, doubled or exchanged."""
    text = draw(patterns())
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 6)))
        match draw(st.integers(0, 3)):
            case 0:
                text = text[:start] + draw(_scraps) + text[start:]
            case 1:
                text = text[:start] + text[end:]
            case 2:
                text = text[:end] + text[start:]
            case _:
                text = text[:start] + draw(_scraps) + text[end:]
    return text
