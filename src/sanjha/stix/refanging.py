"""Undoing "defanging", the habit of writing ``hxxp://evil[.]example`` so that nobody clicks."""

import re
from typing import Final

#: past this many characters nothing is a value, and the text comes back as it was
REFANG_LENGTH: Final = 65_536

_MARKS: Final = re.compile(
    r"""
      [ ]?[\[({][ ]?(?: (?P<dot>\.|dot) | (?P<at>@|at) )[ ]?[\])}][ ]?
    | [\[({][ ]?(?: (?P<scheme>://|:/{0,2}+) | (?P<slash>/) )[ ]?[\])}]
    | (?P<escaped>\\\.)
    | (?<=[A-Za-z0-9])[ ](?P<word>(?:dot|DOT))[ ](?=[A-Za-z0-9])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SCHEME: Final = re.compile(
    r"\s{0,8}+(h[x*]{2}ps?|hxttps?|htxps?|meows?|fxps?|h\[tt\]ps?|h\(tt\)ps?)(?=:|[\[({][ ]?:)", re.IGNORECASE
)
_TRIGGERS: Final = re.compile(r"[\[({\\]| dot ", re.IGNORECASE)


def refang(text: str) -> str:
    """``hxxps[:]//mail[.]example`` and its many cousins in their plain form; text without such marks unchanged.

    A real IPv6 host (``http://[::1]/``) keeps its brackets.
    """
    if len(text) > REFANG_LENGTH:
        return text
    text = refang_scheme(text)
    return _MARKS.sub(_plain, text) if _TRIGGERS.search(text) else text


def refang_scheme(text: str) -> str:
    """Only the scheme: ``hxxp://…`` -> ``http://…``, the rest as it came."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        return text
    written = scheme[1].lower()
    plain = "ftp" if written.startswith("f") else "http"
    return plain + ("s" if written.endswith("s") else "") + text[scheme.end() :]


def _plain(mark: re.Match[str]) -> str:
    kind = mark.lastgroup
    if kind == "at":
        return "@"
    if kind == "scheme":
        return mark["scheme"]
    return "/" if kind == "slash" else "."
