"""The commonest patterns, ``[type:property = 'value']`` with a plain value, without words and trees.

Purely a matter of speed: whatever is recognised here gets the answer that the parser would give, and the property
tests compare the two. Anything else is left to the parser.
"""

import re
from typing import Final

from sanjha.stix.hosts import ASCII_DOMAIN_FORM, DOMAIN_LENGTH, IPV4_FORM, IPV6_FULL_FORM
from sanjha.stix.patterns.extraction import Indexed
from sanjha.stix.values import URL_LENGTH

_HOST = rf"(?:{IPV4_FORM}|(?:[a-z0-9_-]{{1,63}}+\.)*+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?)(?![^/?#'])"
_simple = re.compile(
    r"\[(?:"
    rf"ipv4-addr:value = '({IPV4_FORM})'"
    rf"|domain-name:value = '({ASCII_DOMAIN_FORM})'"
    r"|file:hashes\.'SHA-256' = '([0-9A-Fa-f]{64})'"
    rf"|url:value = '(https?://({_HOST})(?:[/?#][!#-&(-\[\]-~]*+)?)'"
    rf"|ipv6-addr:value = '({IPV6_FULL_FORM})'"
    r"|file:hashes\.MD5 = '([0-9A-Fa-f]{32})'"
    r"|file:hashes\.'SHA-1' = '([0-9A-Fa-f]{40})'"
    r"|file:name = '([ !#-&(-\[\]-~]{1,255})'"
    r")\]"
).fullmatch

_KINDS: Final = ("", "ipv4", "domain", "sha256", "url", "", "ipv6", "md5", "sha1", "file-name")


def simple(pattern: str) -> tuple[Indexed, ...] | None:
    """The one value of a simple pattern, or None when the parser has to look."""
    found = _simple(pattern)
    if found is None:
        return None
    group = found.lastindex or 0
    text = found[group]
    kind = _KINDS[group]
    if group == 4:  # the outer group closes last
        if len(text) > URL_LENGTH or len(found[5]) > DOMAIN_LENGTH:
            return None
    elif group == 2:
        if len(text) > DOMAIN_LENGTH:
            return None
        text = text.lower()
    elif group != 1 and group != 6 and group != 9:
        text = text.lower()
    return (Indexed(kind, text, True),)
