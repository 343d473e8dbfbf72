"""The benchmark's intelligence: STIX 2.1 objects from a seed.

The same recipe gives the same bytes, and a smaller count is a prefix of a larger one. About 70 % indicators, 15 %
relationships, 8 % sightings, 5 % malware, 2 % identities, 660 bytes an object. Of the indicators a share has a
compound pattern (AND, OR, FOLLOWEDBY, IN, ISSUBSET, REPEATS, WITHIN); a share of all objects is a new version of an
earlier one, and a share of those revokes it. What must be refused comes from ``bad_objects``.

Every text written here is plain ASCII without quotes or backslashes, so that objects are written as text directly:
a generator of JSON would be slower than the servers under test.
"""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Final

#: How far after the epoch an object may be created; new versions follow within ``_LATEST``.
_SPAN_DAYS: Final = 40
#: No time of the workload lies more than this after the epoch (versions stop there).
LATEST_DAYS: Final = 60

_KINDS: Final = ("indicator", "relationship", "sighting", "malware", "identity")
_WEIGHTS: Final = (0.70, 0.15, 0.08, 0.05, 0.02)
# The TLP 1.0 markings that STIX 2.1 predefines (section 7.2.1.4): what feeds carry today, with their shares.
_TLP: Final = (
    (0.30, "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9"),
    (0.70, "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"),
    (0.95, "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"),
    (1.00, "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"),
)
_FAMILIES: Final = tuple(
    "Emotet QakBot AgentTesla RedLine Lumma AsyncRAT IcedID Formbook Remcos GuLoader Vidar NjRAT XWorm".split()
)
_MALWARE_TYPES: Final = ("trojan", "ransomware", "downloader", "remote-access-trojan", "spyware", "bot")
_SECTORS: Final = ("financial-services", "government", "healthcare", "energy", "telecommunications")
_INDICATOR_TYPES: Final = ("malicious-activity", "anomalous-activity", "compromised", "attribution")
_WORDS: Final = tuple(
    "login secure update cdn mail account verify portal static api files support office invoice parcel bank".split()
)
_TLDS: Final = ("com", "net", "org", "info", "top", "xyz", "io", "shop")
#: Objects that later versions and references are drawn from: a window, so that memory stays flat at any count.
_POOL: Final = 512


@dataclass(frozen=True)
class Recipe:
    """What decides the bytes. Shares lie between 0 and 1."""

    seed: int = 1
    epoch: str = "2026-01-01"  #: first day of the workload, ``YYYY-MM-DD``
    compound: float = 0.15  #: share of the indicators whose pattern holds several values or operators
    versions: float = 0.02  #: share of the objects that are a new version of an earlier one
    revoked: float = 0.2  #: share of those new versions that revoke

    def digest(self) -> str:
        """Short name of this recipe, for a file that holds its bytes."""
        text = repr(sorted(asdict(self).items())) + repr((_SPAN_DAYS, _WEIGHTS, _POOL, "v1"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def recent_epoch(today: datetime) -> str:
    """First day of a month such that the whole workload lies before ``today``: what a live exchange would hold."""
    return (today.astimezone(UTC) - timedelta(days=LATEST_DAYS + 31)).replace(day=1).strftime("%Y-%m-%d")


class Workload:
    """Iterating gives objects as JSON bytes, for ever."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._rng = random.Random(recipe.seed)
        start = date.fromisoformat(recipe.epoch)
        self._days = tuple((start + timedelta(days=n)).isoformat() for n in range(LATEST_DAYS + 1))
        self._identities: list[str] = []
        self._indicators: list[str] = []
        self._malware: list[str] = []
        self._revisable: list[tuple[str, int]] = []  # (object text, its modified in ms after the epoch)
        self._members = 0

    def __iter__(self) -> Iterator[bytes]:
        yield self._identity().encode()
        yield self._malware_object().encode()
        yield self._indicator().encode()
        makers: dict[str, Callable[[], str]] = {
            "indicator": self._indicator,
            "relationship": self._relationship,
            "sighting": self._sighting,
            "malware": self._malware_object,
            "identity": self._identity,
        }
        ladder, total = [], 0.0
        for kind, weight in zip(_KINDS, _WEIGHTS, strict=True):
            total += weight
            ladder.append((total, makers[kind]))
        number, versions = self._rng.random, self.recipe.versions
        while True:
            if versions and number() < versions and self._revisable:
                yield self._new_version().encode()
                continue
            point = number()
            yield next((make for top, make in ladder if point < top), self._indicator)().encode()

    # -- parts -----------------------------------------------------------------------------------

    def _below(self, n: int) -> int:
        return int(self._rng.random() * n)

    def _pick(self, items: Sequence[str]) -> str:
        return items[int(self._rng.random() * len(items))]

    def _uuid(self) -> str:
        bits = self._rng.getrandbits(128)
        h = f"{bits:032x}"
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{'89ab'[bits & 3]}{h[17:20]}-{h[20:]}"

    def _time(self, ms: int) -> str:
        seconds, ms = divmod(ms, 1000)
        day, s = divmod(seconds, 86_400)
        return f"{self._days[day]}T{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}.{ms:03d}Z"

    def _remember(self, pool: list[str], name: str) -> None:
        if len(pool) < _POOL:
            pool.append(name)
        else:
            pool[self._below(_POOL)] = name

    def _object(self, kind: str, name: str, rest: str, created: int) -> str:
        """One object as text; ``rest`` is its own properties as JSON members without the outer commas."""
        number = self._rng.random
        modified = created if number() < 0.7 else created + 3_600_000 * (1 + self._below(200))
        author = f'"created_by_ref":"{self._pick(self._identities)}",' if self._identities else ""
        source = ""
        if number() < 0.25:
            source = (
                '"external_references":[{"source_name":"feed.example",'
                f'"description":"Report {self._below(10**6)}",'
                f'"url":"https://feed.example/reports/{self._rng.getrandbits(64):016x}"}}],'
            )
        point = number()
        marking = next((ref for top, ref in _TLP if point < top), _TLP[1][1])
        text = (
            f'{{"type":"{kind}","spec_version":"2.1","id":"{name}",{author}'
            f'"created":"{self._time(created)}","modified":"{self._time(modified)}",{rest},{source}'
            f'"object_marking_refs":["{marking}"]}}'
        )
        if kind in ("indicator", "malware"):
            entry = (text, modified)
            if len(self._revisable) < _POOL:
                self._revisable.append(entry)
            elif number() < 0.2:  # some stay long enough to be revised much later
                self._revisable[self._below(_POOL)] = entry
        return text

    def _created(self) -> int:
        return self._below(_SPAN_DAYS * 86_400_000)

    def _new_version(self) -> str:
        place = self._below(len(self._revisable))
        text, before = self._revisable[place]
        after = before + 3_600_000 * (1 + self._below(24))
        if after >= LATEST_DAYS * 86_400_000:  # this one is as new as the workload gets
            del self._revisable[place]
            return self._indicator()
        revoked = self._rng.random() < self.recipe.revoked
        tail = ',"revoked":true' if revoked else ""
        text = text.replace(f'"modified":"{self._time(before)}"', f'"modified":"{self._time(after)}"{tail}', 1)
        if revoked:  # STIX 2.1 section 3.2: a revoked object has no later version
            del self._revisable[place]
        else:
            self._revisable[place] = (text, after)
        return text

    # -- observables and patterns ----------------------------------------------------------------

    def _ipv4(self) -> str:
        bits = self._rng.getrandbits(32)
        # first byte 11..126 and no zero byte: public enough, canonical, never loopback or multicast
        return f"{11 + bits % 115}.{1 + (bits >> 8) % 254}.{1 + (bits >> 16) % 254}.{1 + (bits >> 24) % 254}"

    def _ipv6(self) -> str:
        bits = self._rng.getrandbits(96)
        return "2001:db8:" + ":".join(f"{((bits >> shift) & 0xFFFF) | 1:x}" for shift in range(0, 96, 16))

    def _host(self) -> str:
        return f"{self._pick(_WORDS)}-{self._pick(_WORDS)}{self._below(10**5)}.{self._pick(_TLDS)}"

    def _url(self) -> str:
        path = f"{self._pick(_WORDS)}/{self._rng.getrandbits(48):x}.php?id={self._below(10**6)}"
        return f"https://{self._host()}/{path}"

    def _hash(self, bits: int) -> str:
        return f"{self._rng.getrandbits(bits):0{bits // 4}x}"

    def _comparison(self) -> tuple[str, str, str]:
        """(what it is, the value, the comparison)."""
        which = self._below(5)
        if which == 0:
            value = self._ipv4()
            return "IPv4", value, f"ipv4-addr:value = '{value}'"
        if which == 1:
            value = self._ipv6()
            return "IPv6", value, f"ipv6-addr:value = '{value}'"
        if which == 2:
            value = self._host()
            return "domain", value, f"domain-name:value = '{value}'"
        if which == 3:
            value = self._url()
            return "URL", value, f"url:value = '{value}'"
        value = self._hash(256)
        return "SHA-256", value, f"file:hashes.'SHA-256' = '{value}'"

    def _compound(self, start: int) -> str:
        which = self._below(10)
        if which == 0:
            return f"[ipv4-addr:value = '{self._ipv4()}' OR ipv4-addr:value = '{self._ipv4()}']"
        if which == 1:
            sha, md5 = self._hash(256), self._hash(128)
            return f"[file:hashes.'SHA-256' = '{sha}' OR file:hashes.MD5 = '{md5}']"
        if which == 2:
            return f"[file:name = '{self._pick(_WORDS)}.exe' AND file:hashes.'SHA-1' = '{self._hash(160)}']"
        if which == 3:
            values = ", ".join(f"'{self._ipv4()}'" for _ in range(2 + self._below(4)))
            return f"[ipv4-addr:value IN ({values})]"
        if which == 4:
            a, b, _ = self._ipv4().split(".", 2)
            return f"[ipv4-addr:value ISSUBSET '{a}.{b}.{self._below(256)}.0/24']"
        if which == 5:
            return f"[domain-name:value = '{self._host()}'] OR [url:value = '{self._url()}']"
        if which == 6:
            return f"[domain-name:value = '{self._host()}'] AND [ipv4-addr:value = '{self._ipv4()}']"
        if which == 7:
            first, second = f"url:value = '{self._url()}'", f"file:hashes.'SHA-256' = '{self._hash(256)}'"
            return f"([{first}] FOLLOWEDBY [{second}]) WITHIN {60 * (1 + self._below(30))} SECONDS"
        if which == 8:
            return f"[ipv4-addr:value = '{self._ipv4()}'] REPEATS {2 + self._below(8)} TIMES WITHIN 600 SECONDS"
        day = self._time(start)
        stop = self._time(start + 86_400_000)
        return f"[domain-name:value = '{self._host()}'] START t'{day}' STOP t'{stop}'"

    # -- kinds -----------------------------------------------------------------------------------

    def _identity(self) -> str:
        name, n = f"identity--{self._uuid()}", self._members
        self._members += 1
        text = self._object(
            "identity",
            name,
            f'"name":"Sharing member {n}","description":"CSIRT {n} of the sharing community",'
            f'"identity_class":"organization","sectors":["{self._pick(_SECTORS)}"],'
            f'"contact_information":"soc-{n}@member{n}.example"',
            self._created(),
        )
        self._remember(self._identities, name)
        return text

    def _malware_object(self) -> str:
        name, family = f"malware--{self._uuid()}", self._pick(_FAMILIES)
        self._remember(self._malware, name)
        return self._object(
            "malware",
            name,
            f'"name":"{family} {self._below(10**5)}",'
            f'"description":"{family} sample seen in a campaign that abuses {self._pick(_WORDS)} lures",'
            f'"malware_types":["{self._pick(_MALWARE_TYPES)}"],"is_family":false',
            self._created(),
        )

    def _indicator(self) -> str:
        name, created = f"indicator--{self._uuid()}", self._created()
        family = self._pick(_FAMILIES)
        if self._rng.random() < self.recipe.compound:
            what, title, pattern = "compound", f"activity of {family}", self._compound(created)
        else:
            what, title, comparison = self._comparison()
            pattern = f"[{comparison}]"
        self._remember(self._indicators, name)
        return self._object(
            "indicator",
            name,
            f'"name":"{what} {title[:72]}",'
            f'"description":"{what} contacted by {family}; confidence from automated triage",'
            f'"indicator_types":["{self._pick(_INDICATOR_TYPES)}"],'
            f'"pattern":"{pattern}","pattern_type":"stix","valid_from":"{self._time(created)}",'
            f'"labels":["{family.lower()}","{what.lower()}"],"confidence":{10 + self._below(90)}',
            created,
        )

    def _relationship(self) -> str:
        created = self._created()
        return self._object(
            "relationship",
            f"relationship--{self._uuid()}",
            f'"relationship_type":"indicates","description":"Derived from sandbox execution and passive DNS",'
            f'"source_ref":"{self._pick(self._indicators)}","target_ref":"{self._pick(self._malware)}",'
            f'"start_time":"{self._time(created)}"',
            created,
        )

    def _sighting(self) -> str:
        created = self._created()
        return self._object(
            "sighting",
            f"sighting--{self._uuid()}",
            f'"description":"Seen at the perimeter sensor","first_seen":"{self._time(created)}",'
            f'"last_seen":"{self._time(created + 300_000)}","count":{1 + self._below(499)},'
            f'"sighting_of_ref":"{self._pick(self._indicators)}",'
            f'"where_sighted_refs":["{self._pick(self._identities)}"]',
            created,
        )


def objects(recipe: Recipe, count: int) -> Iterator[bytes]:
    """The first ``count`` objects of the recipe."""
    return islice(Workload(recipe), count)


def bad_objects(recipe: Recipe) -> Iterator[tuple[str, bytes]]:
    """For ever: (its id, an object that breaks a MUST of STIX 2.1). Each is well-formed JSON; each fault is another."""
    good = Workload(Recipe(seed=recipe.seed + 0x5EED, epoch=recipe.epoch, compound=0.0, versions=0.0))
    faults: tuple[tuple[bytes, bytes], ...] = (
        (b'"pattern":"[', b'"pattern":"[['),  # section 9: not a pattern
        (b'"valid_from":', b'"x_valid_from":'),  # section 4.7.1: a required property is missing
        (b'"pattern_type":"stix",', b""),  # section 4.7.1: another one
        (b'"confidence":', b'"confidence":9'),  # section 3.2: 0 to 100
        (b'"created":"20', b'"created":"99-20'),  # section 3.11: not a timestamp
        (b'"id":"indicator--', b'"id":"malware--'),  # section 2.9: an identifier begins with its object's type
    )
    number = 0
    for text in good:
        if b'"type":"indicator"' not in text:
            continue
        old, new = faults[number % len(faults)]
        number += 1
        bad = text.replace(old, new, 1)
        yield bad.split(b'"id":"', 1)[1].split(b'"', 1)[0].decode(), bad
