"""What is wrong with an object, in words that say where, by which rule, and what to do."""

import re
from typing import Any, Final, get_args

import msgspec
from msgspec import UNSET, UnsetType

from sanjha.stix.shapes.frame import Frame
from sanjha.stix.shapes.leaves import MEANINGS

MAX_PROBLEMS: Final = 20  #: of one object; a report longer than this helps nobody
MAX_QUOTE: Final = 60  #: characters of hostile text repeated in a sentence


class Problem(msgspec.Struct, frozen=True):
    """One broken rule.

    ``id``: of the object, where it could be read. ``path``: a JSON path (``$.external_references[0].url``).
    ``rule``: ``stix-<version>/<section>/<name>``, for instance ``stix-2.1/4.7/required``, or ``json/<name>``.
    ``message``: what happened. ``remedy``: what to do about it.
    """

    id: str | None
    path: str
    rule: str
    message: str
    remedy: str


class Report:
    """Collects the problems and warnings of one object."""

    __slots__ = ("id", "problems", "spec", "warnings")

    def __init__(self, object_id: str | None, spec: int) -> None:
        self.id = object_id
        self.spec = spec
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def problem(self, path: str, section: str, name: str, message: str, remedy: str) -> None:
        """A broken MUST."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(self.id, path, self._rule(section, name), message, remedy))

    def warn(self, path: str, section: str, name: str, message: str, remedy: str) -> None:
        """Something odd that does not keep the object out."""
        if len(self.warnings) < MAX_PROBLEMS:
            self.warnings.append(Problem(self.id, path, self._rule(section, name), message, remedy))

    def judge(self, path: str, section: str, name: str, message: str, remedy: str) -> None:
        """A problem in STIX 2.1, a warning in 2.0, whose rules are looser."""
        (self.problem if self.spec == 21 else self.warn)(path, section, name, message, remedy)

    def _rule(self, section: str, name: str) -> str:
        # The sections are numbered as in 2.1; 2.0 is split into parts that number anew.
        return f"stix-2.1/{section}/{name}" if self.spec == 21 else f"stix-2.0/{name}"


def quote(text: object) -> str:
    """``text`` in quotes, cut to a length that suits a sentence."""
    shown = text if isinstance(text, str) else str(text)
    return repr(shown if len(shown) <= MAX_QUOTE else shown[: MAX_QUOTE - 1] + "…")


_NAMES: Final = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_EXPECTED = re.compile(r"Expected `([a-z]+)(?: \| [a-z |]+)?`, got `([a-z]+)`")
_BOUND = re.compile(r"Expected `(?:int|float)` ([<>]=?) ([-0-9.]+)")
_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_BY_REPR: Final = {repr(pattern): meaning for pattern, meaning in MEANINGS.items()}
_REGEX_HEAD: Final = "Expected `str` matching regex "


def _sentence(message: str, section: str) -> tuple[str, str, str, str, str]:
    """msgspec's words in ours: (deeper path, section, rule name, message, remedy)."""
    text, _, at = message.partition(" - at `$")
    at = at.rstrip("`")
    if found := _EXPECTED.fullmatch(text):
        wanted, got = (_NAMES.get(name, name) for name in found.groups())
        return at, section, "type", f"must be {wanted} and is {got}", f"write {wanted} or leave the property out"
    if text.startswith(_REGEX_HEAD):
        meaning, its_section = _BY_REPR.get(text[len(_REGEX_HEAD) :], ("of another form", section))
        return at, its_section, "format", f"must be {meaning}", "correct the value or leave the property out"
    if " of length >= 1" in text:
        return at, "2.12", "empty", "must not be empty", "leave the property out when it has no entries"
    if found := _BOUND.match(text):
        sign, bound = found.groups()
        return at, section, "range", f"must be {sign} {bound}", "correct the number"
    if found := _MISSING.fullmatch(text):
        return f"{at}.{found[1]}", section, "required", "is required here and missing", "add it"
    if text.startswith("Invalid enum value"):
        return (
            at,
            section,
            "enum",
            f"must be one of the values that STIX lists, not {quote(text[len('Invalid enum value ') :])}",
            "use a listed value",
        )
    return at, section, "type", f"cannot be read: {text[:MAX_QUOTE]}", "correct the value"


def _without_unset(hint: Any) -> Any:
    parts = get_args(hint)
    if UnsetType not in parts:
        return hint
    kept = [part for part in parts if part is not UnsetType]
    joined = kept[0]
    for part in kept[1:]:
        joined = joined | part
    return joined


def explain(
    tree: dict[str, Any], shape: type[Frame], section: str, report: Report, loose: frozenset[str] = frozenset()
) -> Frame | None:
    """Why ``tree`` does not convert to ``shape``: one problem a property, ``loose`` optional ones only warnings.

    Returns the reading without the properties at fault, so that the rules can find more; None when a required one is
    at fault.
    """
    good: dict[str, Any] = {}
    complete = True
    for field in msgspec.structs.fields(shape):
        value = tree.get(field.encode_name, UNSET)
        if value is UNSET:
            if field.required:
                complete = False
                report.problem(
                    f"$.{field.encode_name}",
                    section,
                    "required",
                    f"{field.encode_name} is required in {tree['type']} and missing",
                    "add it",
                )
            continue
        try:
            good[field.name] = msgspec.convert(value, type=_without_unset(field.type))
        except msgspec.ValidationError as error:
            at, its_section, name, message, remedy = _sentence(str(error), section)
            where = f"$.{field.encode_name}{at}"
            file = report.warn if field.encode_name in loose and not field.required else report.problem
            file(where, its_section, name, f"{where[2:]} {message}", remedy)
            complete = complete and not field.required
    return shape(**good) if complete else None
