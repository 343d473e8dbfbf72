"""One file an import or export format. To add an export: ``formats/<name>.py`` with a ``FORMAT``, and its name here.

All of it is pure: rows and bytes in, bytes out (``shape``).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sanjha.formats import csv_export, lists, misp, misp_feed, nftables, rpz, sigma, stix, suricata
from sanjha.formats.shape import Context, Format, Row

_ALL: Final = (
    stix.FORMAT,
    misp.FORMAT,
    misp_feed.FORMAT,
    csv_export.FORMAT,
    *lists.FORMATS,
    suricata.FORMAT,
    rpz.FORMAT,
    sigma.FORMAT,
    nftables.FORMAT,
)
FORMATS: Final[Mapping[str, Format]] = MappingProxyType({one.name: one for one in _ALL})

__all__ = ["FORMATS", "Context", "Format", "Row"]
