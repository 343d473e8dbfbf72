"""The values that literals stand for, and the digests that the OASIS validator checks.

A literal is read by need: most are compared as text and never converted.
"""

import base64
import re
from typing import Final

from sanjha.stix.patterns.tokens import unquote

NUMBER_LENGTH: Final = 4_000  #: digits; Python itself stops at 4,300, a STIX integer has at most 16 (53 bits)

_H = r"[a-fA-F0-9]"
#: Names and forms that ``stix2patterns.v21.object_validator`` checks, names upper case without hyphens.
#: Two differences on purpose: SSDEEP may have 148 characters (FUZZY_MAX_RESULT of ssdeep; OASIS: 128), and MD6 as
#: there means "begins with 32 digits", its alternatives not being bracketed.
HASH_FORMS: Final = {
    "MD5": re.compile(_H + "{32}\n?"),
    "MD6": re.compile(_H + "{32}.*", re.DOTALL),
    "RIPEMD160": re.compile(_H + "{40}\n?"),
    "SHA1": re.compile(_H + "{40}\n?"),
    "SHA224": re.compile(_H + "{56}\n?"),
    "SHA256": re.compile(_H + "{64}\n?"),
    "SHA384": re.compile(_H + "{96}\n?"),
    "SHA512": re.compile(_H + "{128}\n?"),
    "SHA3224": re.compile(_H + "{56}\n?"),
    "SHA3256": re.compile(_H + "{64}\n?"),
    "SHA3384": re.compile(_H + "{96}\n?"),
    "SHA3512": re.compile(_H + "{128}\n?"),
    "SSDEEP": re.compile("[a-zA-Z0-9/+:.]{1,148}\n?"),
    "WHIRLPOOL": re.compile(_H + "{128}\n?"),
}


def is_digest(algorithm: str, text: str) -> bool:
    """Whether a literal's text may stand for a digest of the algorithm, as the last step of the path names it.

    True for algorithms that OASIS does not know. The literal is judged as written, minus its quotes, whatever its
    kind: that is what the OASIS validator does.
    """
    form = HASH_FORMS.get(algorithm.upper().replace("-", "").replace("'", ""))
    return form is None or form.fullmatch(text.replace("'", "")) is not None


def value(kind: str, text: str) -> str | int | float | bool | bytes:
    """The value of a literal of a kind of ``tree.LiteralKind``; the text must have passed the tokens."""
    match kind:
        case "string":
            return unquote(text)
        case "integer":
            return int(text)
        case "float":
            return float(text)
        case "boolean":
            return text == "true"
        case "hex":
            return bytes.fromhex(text[2:-1])
        case "binary":
            return base64.b64decode(text[2:-1])
        case _:
            return text[2:-1]
