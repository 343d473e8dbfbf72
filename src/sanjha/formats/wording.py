"""Other people's words made safe for one line of a device's file.

Everything that could end a line, a string or a comment, or turn the reading direction round, becomes a space.
What stays: letters, marks and digits of every script, and the punctuation that no device's grammar uses.
"""

import re
import unicodedata
from typing import Final

NAME_LENGTH: Final = 120  #: characters of a name that reach a device: about what a log viewer shows in one line

_UNSAFE_ASCII: Final = re.compile(r"[^A-Za-z0-9 ._,:/@+()\-]+")
_JOINERS: Final = "\u200c\u200d"  #: Persian, Urdu and the Indic scripts spell with them
_SPACES: Final = re.compile(r" {2,}")


def one_line(text: str, limit: int = NAME_LENGTH) -> str:
    """At most ``limit`` characters of ``text``: letters, marks, digits and ``. _ , : / @ + ( ) -``, else spaces."""
    text = text[: 4 * limit]
    if not text.isascii():
        kept = (
            letter if letter.isascii() or letter in _JOINERS or unicodedata.category(letter)[0] in "LMN" else " "
            for letter in text
        )
        head = "".join(kept)
        safe = re.sub(r"[\x00-\x7f]+", lambda found: _UNSAFE_ASCII.sub(" ", found.group()), head)
    else:
        safe = _UNSAFE_ASCII.sub(" ", text)
    return _SPACES.sub(" ", safe).strip()[:limit].rstrip()
