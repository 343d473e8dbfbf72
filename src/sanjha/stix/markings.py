"""TLP and PAP: how far intelligence may travel, and what may be done with it.

TLP 2.0: FIRST, August 2022 (https://www.first.org/tlp/). PAP: MISP taxonomy ``PAP``.
The ids of the TLP 1.0 markings: STIX 2.1, section 7.2.1.4. The TLP 2.0 ids: OASIS
``extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d``.
Levels are ordered: a larger number is stricter, so that "may see" is a comparison.
"""

import re
import unicodedata
from enum import IntEnum
from typing import Final


class Tlp(IntEnum):
    """Traffic Light Protocol 2.0, in rising strictness."""

    CLEAR = 0
    GREEN = 1
    AMBER = 2
    AMBER_STRICT = 3
    RED = 4

    @property
    def label(self) -> str:
        """As FIRST writes it: ``TLP:AMBER+STRICT``."""
        return "TLP:" + self.name.replace("_", "+")


class Pap(IntEnum):
    """Permissible Actions Protocol, in rising strictness."""

    CLEAR = 0
    GREEN = 1
    AMBER = 2
    RED = 3

    @property
    def label(self) -> str:
        """As MISP's taxonomy writes it: ``PAP:GREEN``."""
        return "PAP:" + self.name


UNMARKED: Final = -1  #: no level stated

TLP_IDS: Final[dict[str, Tlp]] = {
    "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": Tlp.CLEAR,
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": Tlp.GREEN,
    "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": Tlp.AMBER,
    "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": Tlp.AMBER_STRICT,
    "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": Tlp.RED,
    # TLP 1.0, still in use: WHITE reads as CLEAR
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": Tlp.CLEAR,
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": Tlp.GREEN,
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": Tlp.AMBER,
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": Tlp.RED,
}

_TLP_WORDS: Final[dict[str, Tlp]] = {
    "CLEAR": Tlp.CLEAR,
    "WHITE": Tlp.CLEAR,
    "GREEN": Tlp.GREEN,
    "AMBER": Tlp.AMBER,
    "AMBER+STRICT": Tlp.AMBER_STRICT,
    "RED": Tlp.RED,
}
_PAP_WORDS: Final[dict[str, Pap]] = {
    "CLEAR": Pap.CLEAR,
    "WHITE": Pap.CLEAR,
    "GREEN": Pap.GREEN,
    "AMBER": Pap.AMBER,
    "RED": Pap.RED,
}


#: MISP's taxonomy ``tlp`` has them. Whoever writes one did not mean everybody.
_VAGUE: Final = frozenset({"UNCLEAR", "EX:CHR"})
_LABEL: Final = re.compile(r"\s*(TLP|PAP)\s*[:=](.*)", re.DOTALL).fullmatch
_JOINT: Final = re.compile(r"\s*[+_\s-]\s*")


def tlp(word: str) -> Tlp | None:
    """Reads ``tlp:amber+strict``, ``TLP:WHITE``, ``GREEN`` …; None for any other text."""
    text = _plain(word).strip()
    return _TLP_WORDS.get(_level_word(text.removeprefix("TLP:")))


def label_levels(label: str) -> tuple[int, int]:
    """(tlp, pap) that a label or MISP tag states (``tlp:red``, ``PAP:GREEN``); UNMARKED where it states none."""
    tlp, pap, guessed = closed_levels(label)
    return (UNMARKED, UNMARKED) if guessed else (tlp, pap)


def closed_levels(label: str) -> tuple[int, int, bool]:
    """(tlp, pap, whether that is a guess): a label that begins as these do and names no level is taken for RED, a vague one
    of TLP for AMBER+STRICT. A slip of the pen is to show too little, never too much.
    """
    found = _LABEL(_plain(label))
    if found is None:
        return UNMARKED, UNMARKED, False
    word = _level_word(found[2])
    if found[1] == "TLP":
        if (level := _TLP_WORDS.get(word)) is not None:
            return level, UNMARKED, False
        return Tlp.AMBER_STRICT if word in _VAGUE else Tlp.RED, UNMARKED, True
    pap = _PAP_WORDS.get(word)
    return (UNMARKED, Pap.RED, True) if pap is None else (UNMARKED, pap, False)


def _plain(text: str) -> str:
    """In capitals; letters in their plain form, and none that nobody sees."""
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return text.upper()


def _level_word(text: str) -> str:
    return _JOINT.sub("+", text.strip().strip('"').strip())
