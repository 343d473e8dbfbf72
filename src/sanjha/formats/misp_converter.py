"""misp-stix as we use it: without the OASIS pattern grammar where our own parser reads a pattern, and without its logging.

Import it on first use: pymisp takes about 2 s and 70 MB to load.
"""

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import datetime
from functools import lru_cache
from typing import Any

from misp_stix_converter import MISPtoSTIX21Parser
from stix2.base import _STIXBase
from stix2.exceptions import InvalidValueError
from stix2.utils import format_datetime
from stix2.v21 import Indicator
from stix2.v21.base import _STIXBase21
from stix2patterns.validator import run_validator

from sanjha.errors import Malformed
from sanjha.stix import patterns

_converting: ContextVar[bool] = ContextVar("converting", default=False)


def _heard(_: logging.LogRecord) -> bool:
    return not _converting.get()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """pymisp logs hostile values; the loss report says it better. Nothing changes for other threads and other users of
    pymisp in this process: its logger's level stays, and only records made within are passed over.
    """
    logging.getLogger("pymisp").addFilter(_heard)  # a second time does nothing
    token = _converting.set(True)
    try:
        yield
    finally:
        _converting.reset(token)


def reads(pattern: str) -> bool:
    """Whether our own parser reads a pattern: the same language, a hundred times quicker."""
    try:
        patterns.values(pattern)
    except Malformed:
        return False
    return True


class _Indicator(Indicator):  # type: ignore[misc]
    """An indicator whose pattern the OASIS parser (1 ms each) sees only when ours refuses it."""

    def _check_object_constraints(self) -> None:
        _STIXBase21._check_object_constraints(self)
        inner = self._inner
        if "valid_until" in inner and inner["valid_until"] <= inner["valid_from"]:
            raise ValueError(f"{inner['id']} 'valid_until' must be greater than 'valid_from'")
        if inner["pattern_type"] == "stix" and not reads(inner["pattern"]):
            errors = run_validator(inner["pattern"], inner["pattern_version"])
            if errors:
                raise InvalidValueError(type(self), "pattern", str(errors[0]))


class Converter(MISPtoSTIX21Parser):  # type: ignore[misc]
    """One event, or a part of one."""

    @staticmethod
    def _create_indicator(indicator_args: dict[str, Any]) -> Indicator:
        arguments = {"spec_version": "2.1", "pattern_type": "stix", "pattern_version": "2.1"}
        return _Indicator(**arguments | {name: value for name, value in indicator_args.items() if value is not None})

    def objects(self) -> list[dict[str, Any]]:
        """What was made, as JSON would read."""
        return [_plain(item) for item in self.stix_objects]


def _plain(node: Any) -> Any:
    """As ``serialize()`` and reading it again, at a third of the cost. Times become text, defaults stay unsaid."""
    if type(node) is str:
        return node
    if isinstance(node, _STIXBase):
        unsaid = node._defaulted_optional_properties
        return {name: _plain(inner) for name, inner in node._inner.items() if name not in unsaid}
    if isinstance(node, dict):
        return {str(name): _plain(inner) for name, inner in node.items()}
    if isinstance(node, list | tuple):
        return [_plain(inner) for inner in node]
    if isinstance(node, datetime):
        return _moment(node, getattr(node, "precision", None), getattr(node, "precision_constraint", None))
    return node


@lru_cache(maxsize=64)
def _moment(moment: datetime, *_: object) -> str:
    """Most objects of an event share a few times; equal ones of another precision are written in another way."""
    return str(format_datetime(moment))
