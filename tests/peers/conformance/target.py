"""What the suite is pointed at."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A TAXII 2.1 server, one collection of it, and the identities that may be used there.

    The owner (``user``/``password`` or ``token``) may read and write ``collection``. Everything else is optional:
    what is not given makes the checks that need it not applicable.
    """

    api_root: str  #: URL of the API root, with or without the last slash
    collection: str  #: id of a collection; the suite adds some 200 objects to it
    user: str | None = None  #: the owner's name for HTTP Basic
    password: str | None = None
    token: str | None = None  #: the owner's bearer token
    second_token: str | None = None  #: may read ``collection`` up to ``second_ceiling``
    second_ceiling: str = "green"  #: clear, green, amber or amber+strict
    reader_token: str | None = None  #: may read ``collection``, may not write it
    writer_token: str | None = None  #: may write ``collection``, may not read it
    stranger_token: str | None = None  #: is known to the server and has no right on ``collection``
    spares: tuple[str, ...] = ()  #: more collections with the owner's rights, for checks that may spoil one
    bulk: int = 0  #: objects to add before the page cap is looked for
    page_cap: int = 10_000  #: a page without ``limit`` that holds more than this is not capped
    patience: float = 0.0  #: seconds after which a ``next`` must still be good
    body_limit: int = 128 * 1024 * 1024  #: bodies larger than this are only announced, never sent
    timeout: float = 60.0  #: seconds to wait for any answer
    verify: bool | str = True  #: TLS: check the certificate; or the path of a CA file
    seed: int | None = None  #: of the object generator; None draws one
    restart: Callable[[], None] | None = None  #: stops the server hard and starts it again on the same data

    @property
    def root(self) -> str:
        """The API root with its slash."""
        return self.api_root.rstrip("/") + "/"
