"""Granular marking selectors (STIX 2.1 section 7.2.3.1): which part of an object a marking speaks of."""

import re
from typing import Any

_SYNTAX = re.compile(r"(?:id|[a-z0-9_-]{3,250}+)(?:\.(?:\[[0-9]{1,9}\]|[a-zA-Z0-9_-]{1,250}+))*+").fullmatch


def fault(selector: str, tree: dict[str, Any]) -> str | None:
    """What is wrong with ``selector`` in the object ``tree``; None when it names a part that is there."""
    if _SYNTAX(selector) is None:
        return "is no selector: write property names and [positions] separated by dots"
    node: Any = tree
    for step in selector.split("."):
        if step[0] == "[":
            position = int(step[1:-1])
            if type(node) is not list or position >= len(node):
                return "names a list entry that is not there"
            node = node[position]
        elif type(node) is not dict or step not in node:
            return "names a property that is not there"
        else:
            node = node[step]
    return None
