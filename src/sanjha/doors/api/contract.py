"""What an endpoint takes and gives, said once: requests are read by it, and the OpenAPI document is written from it.

Whatever a request holds that its endpoint does not name is an error: a filter that is misspelt would show too much.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import cleandoc, iscoroutinefunction
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request

from sanjha.access.actions import Action
from sanjha.access.policy import Actor
from sanjha.errors import Malformed

Method = Literal["GET", "POST", "PUT", "DELETE"]
Q = TypeVar("Q")
B = TypeVar("B")

JSON: Final = "application/json"
MOST_PARAMETERS: Final = 100
SMALL_BODY: Final = 1024 * 1024  #: bytes; what people and programs fill in, all told
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """No parameters, no body."""


@dataclass(frozen=True, slots=True)
class Asked(Generic[Q, B]):
    """A request that was read: ``path`` holds the parts of the path that vary."""

    actor: Actor
    query: Q
    body: B
    path: Mapping[str, str]
    request: Request[Any, Any, Any]


class Whole(NamedTuple):
    """An answer that is not the usual JSON."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = {}
    media: str = JSON


class Flow(NamedTuple):
    """An answer of any length, made while it is read."""

    chunks: Iterator[bytes]
    media: str
    headers: Mapping[str, str] = {}


class Operation(msgspec.Struct, frozen=True):
    """One endpoint. ``also``: statuses beside the usual ones (``document.usual``); ``headers``: of a good answer;
    ``links``: {operation: {its parameter, or ``body.`` and a name: where its value stands in the answer}};
    ``before``: refuses what it can before the body is read; ``body_form``: what the document says of a body that its function
    reads by itself; ``any_text``: strings of the body may hold a NUL, as what is copied from a log does."""

    method: Method
    path: str
    name: str
    tag: str
    summary: str
    description: str
    action: Action
    query: Any
    body: Any
    answer: Any
    run: Callable[[Any], Any]
    status: int = 200
    media: tuple[str, ...] = (JSON,)
    body_form: Any = None
    body_media: tuple[str, ...] = (JSON,)
    most: int = SMALL_BODY
    advice: str = "send less at once"
    also: tuple[int, ...] = ()
    headers: Mapping[str, str] = {}
    before: Callable[[Any], None] | None = None
    links: Mapping[str, Mapping[str, str]] = {}
    any_text: bool = False

    @property
    def waits(self) -> bool:
        """Whether it runs on the event loop; the others run in a thread."""
        return iscoroutinefunction(self.run)


class Table:
    """Every operation, in the order of the document."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def operation(
        self,
        method: Method,
        path: str,
        *,
        action: Action,
        query: type[Q],
        body: type[B],
        answer: Any,
        tag: str,
        **more: Any,
    ) -> Callable[[Callable[[Asked[Q, B]], Any]], None]:
        """Declares the function below as an endpoint; its docstring is what the document says of it."""

        def declare(run: Callable[[Asked[Q, B]], Any]) -> None:
            summary, _, description = cleandoc(run.__doc__ or "").partition("\n")
            self.operations.append(
                Operation(
                    method,
                    path,
                    run.__name__,
                    tag,
                    summary.strip(),
                    description.strip(),
                    action,
                    query,
                    body,
                    answer,
                    run,
                    **more,
                )
            )

        return declare


def lists_of(form: Any) -> frozenset[str]:
    """The parameters of a query that may be given several times."""
    info = msgspec.inspect.type_info(form)
    fields = info.fields if isinstance(info, msgspec.inspect.StructType) else ()
    several = (msgspec.inspect.VarTupleType, msgspec.inspect.ListType)
    return frozenset(field.encode_name for field in fields if isinstance(_bare(field.type), several))


def _bare(kind: Any) -> Any:
    return kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind


def read_query(text: str, form: type[Q], lists: frozenset[str]) -> Q:
    """The query string as ``form``. Raises ``Malformed`` for what it does not name, or names twice."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_PARAMETERS, errors="strict")
    except (ValueError, UnicodeDecodeError):
        raise Malformed(f"the query string cannot be read: UTF-8, {MOST_PARAMETERS} parameters at most") from None
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name in lists:
            given.setdefault(name, []).append(value)
        elif name in given:
            raise Malformed(f"the parameter {name!r} is given twice")
        else:
            given[name] = value
    try:
        return msgspec.convert(given, form, strict=False)
    except msgspec.ValidationError as error:
        raise Malformed(f"the query cannot be read: {error}") from None


def read_json(body: bytes, form: type[B], *, any_text: bool = False) -> B:
    """The body as ``form``. Raises ``Malformed``: no JSON, something the form does not name, a name twice, a NUL."""
    if not any_text and _NUL.search(body):
        raise Malformed("the body holds a NUL character")
    try:
        found = msgspec.json.decode(body, type=form)
        json.loads(body, object_pairs_hook=_each_name_once)
    except (msgspec.DecodeError, ValueError) as error:
        raise Malformed(f"the body cannot be read: {error}") from None
    except RecursionError:
        raise Malformed("the body cannot be read: it is nested too deeply") from None
    return found


def _each_name_once(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Malformed(f"the body has the name {twice[:80]!r} twice")
