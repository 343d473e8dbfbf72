"""The words of the STIX pattern language.

The lexical rules are those of the OASIS grammar (``STIXPattern.g4`` of cti-stix2-json-schemas; STIX 2.1 section 9):
the longest match wins, so ``t'x'`` is a name and a string, ``AND1`` a name and ``.5`` a number. One regular
expression of possessive parts reads the text once, left to right, without backtracking; the first character that
starts no word makes the rest of the text one ``UNKNOWN`` word, which ends the reading.
"""

import re
from typing import Final

# what a word is: the numbers of the groups of the expression below
TIMESTAMP: Final = 1
HEX: Final = 2
BINARY: Final = 3
NAME: Final = 4  #: also a keyword: the parser looks at the text
HYPHEN_NAME: Final = 5  #: with hyphens, which only object types may have
STRING: Final = 6
SIGN: Final = 7
FLOAT: Final = 8
INTEGER: Final = 9
END: Final = 10
UNKNOWN: Final = 11

KEYWORDS: Final = frozenset(
    "AND OR NOT FOLLOWEDBY LIKE MATCHES ISSUPERSET ISSUBSET EXISTS LAST IN START STOP SECONDS true false "
    "WITHIN REPEATS TIMES".split()
)

_WORD: Final = re.compile(
    r"""
    (?: [ \t\r\n\x0b\x0c\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]++ | /\*.*?\*/ | //[^\r\n]*+ )*+
    (?:
      (t'[0-9]{4}-(?:0[1-9]|1[012])-(?:0[1-9]|[12][0-9]|3[01])
        T(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]++)?Z')
    | (h'(?:[0-9A-Fa-f]{2})*+')
    | (b'(?!')(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}(?:==|[A-Za-z0-9+/]=))?+')
    | ([a-zA-Z_][a-zA-Z0-9_]*+(?!-))
    | ([a-zA-Z_][a-zA-Z0-9_-]*+)
    | ('[^'\\]*+(?:\\['\\][^'\\]*+)*+')
    | (==?|!=|<[=>]?|>=?|\.(?![0-9])|[\[\](),:*])
    | ([+-]?[0-9]*+\.[0-9]++)
    | ([+-]?(?:0|[1-9][0-9]*+)(?![0-9]))  # a digit after 0 starts a second number, which no rule allows
    | (\Z)
    | (.++)
    )
    """,
    re.VERBOSE | re.DOTALL,
)

#: An iterator of matches, ``lastindex`` the kind of word; it reads no further than it is asked to.
words = _WORD.finditer

_escape = re.compile(r"\\(.)", re.DOTALL)


def unquote(literal: str) -> str:
    """The text of a string literal, quotes and escapes removed (STIX 2.1 section 9: only ``\\'`` and ``\\\\``)."""
    inner = literal[1:-1]
    return _escape.sub(r"\1", inner) if "\\" in inner else inner
