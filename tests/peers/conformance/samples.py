"""STIX objects for the suite: the same seed gives the same objects, byte for byte."""

import datetime
import random
import uuid
from typing import Any, Final

Json = dict[str, Any]

_DAY: Final = datetime.datetime(2024, 3, 1, tzinfo=datetime.UTC)

TLP2: Final = {
    "clear": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "green": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "amber": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "amber+strict": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "red": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
TLP1_RED: Final = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"

#: Every object type that STIX 2.1 defines (sections 4 to 7).
STIX_TYPES: Final = (
    "attack-pattern", "campaign", "course-of-action", "grouping", "identity", "incident", "indicator",
    "infrastructure", "intrusion-set", "location", "malware", "malware-analysis", "note", "observed-data", "opinion",
    "report", "threat-actor", "tool", "vulnerability", "relationship", "sighting", "artifact", "autonomous-system",
    "directory", "domain-name", "email-addr", "email-message", "file", "ipv4-addr", "ipv6-addr", "mac-addr", "mutex",
    "network-traffic", "process", "software", "url", "user-account", "windows-registry-key", "x509-certificate",
    "marking-definition", "language-content", "extension-definition",
)  # fmt: skip


class Samples:
    """Draws new objects; ``run`` marks their names so that a person recognises them in a store."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.run = f"conformance-{seed:08x}"
        self._count = 0

    def uuid(self) -> str:
        """A version 4 UUID from the seed."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def stamp(self, add: int = 0) -> str:
        """A STIX timestamp of millisecond precision; each call is a second later than the one before."""
        self._count += 1
        return self.at(self._count + add)

    @staticmethod
    def at(second: int) -> str:
        """The STIX timestamp ``second`` seconds into the suite's own calendar."""
        return (_DAY + datetime.timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.") + "000Z"

    def _sdo(self, kind: str, **more: Any) -> Json:
        when = self.stamp()
        return {"type": kind, "spec_version": "2.1", "id": f"{kind}--{self.uuid()}", "created": when,
                "modified": when, **more}  # fmt: skip

    def indicator(self, **more: Any) -> Json:
        """An indicator on an address of the documentation networks."""
        host = self._random.randrange(1, 255)
        body = self._sdo("indicator", name=f"{self.run} {self._count}", indicator_types=["malicious-activity"],
                         pattern=f"[ipv4-addr:value = '198.51.100.{host}']", pattern_type="stix")  # fmt: skip
        return {**body, "valid_from": body["created"], **more}

    def malware(self, **more: Any) -> Json:
        """A malware family."""
        return self._sdo("malware", name=f"{self.run} {self._count}", is_family=True, **more)

    def identity(self, **more: Any) -> Json:
        """An organisation."""
        return self._sdo("identity", name=f"{self.run} {self._count}", identity_class="organization", **more)

    def relationship(self, source: Json, target: Json, **more: Any) -> Json:
        """``source`` indicates ``target``."""
        return self._sdo("relationship", relationship_type="indicates", source_ref=source["id"],
                         target_ref=target["id"], **more)  # fmt: skip

    def sighting(self, of: Json, **more: Any) -> Json:
        """A sighting of ``of``."""
        return self._sdo("sighting", sighting_of_ref=of["id"], count=3, **more)

    def report(self, *about: Json, **more: Any) -> Json:
        """A report on ``about``."""
        return self._sdo("report", name=f"{self.run} {self._count}", published=self.stamp(),
                         report_types=["indicator"], object_refs=[x["id"] for x in about], **more)  # fmt: skip

    def observed(self, *what: Json, **more: Any) -> Json:
        """Observed data on ``what``."""
        when = self.stamp()
        return self._sdo("observed-data", first_observed=when, last_observed=when, number_observed=1,
                         object_refs=[x["id"] for x in what], **more)  # fmt: skip

    def address(self, **more: Any) -> Json:
        """An IPv4 observable, without created and modified; its id is random, which STIX allows."""
        return {"type": "ipv4-addr", "spec_version": "2.1", "id": f"ipv4-addr--{self.uuid()}",
                "value": f"203.0.113.{self._random.randrange(1, 255)}", **more}  # fmt: skip

    def statement(self, **more: Any) -> Json:
        """A marking-definition: created, no modified."""
        return {"type": "marking-definition", "spec_version": "2.1", "id": f"marking-definition--{self.uuid()}",
                "created": self.stamp(), "definition_type": "statement",
                "definition": {"statement": f"(c) {self.run} {self._count}"}, **more}  # fmt: skip

    def many(self, count: int) -> list[Json]:
        """A mix of indicators, malware and identities."""
        makers = (self.indicator, self.malware, self.identity)
        return [makers[n % 3]() for n in range(count)]
