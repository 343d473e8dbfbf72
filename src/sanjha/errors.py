"""The whole error tree.

Three rings (docs/map.md):

* ``Refused``: a rule says no. An outcome that a person expects, with the rule's name.
* ``SanjhaError``: something is wrong with what came in, with what is asked, or with what we stand on.
  Each has a public sentence (safe to show to whoever asked) and private facts (for the log only).
* ``Fatal``: the node no longer knows its own state. Exit, and recover by the normal path.

    Exception
    └── SanjhaError
        ├── Refused               a rule says no
        │   └── Forbidden         ... because of who asks (doors may show it as "not found")
        ├── Malformed             bytes that cannot be read: hostile or broken input raises only this
        │   └── TooLarge          ... and reading on would cost more than the limit allows
        ├── VerificationError     bytes that read well and prove nothing
        ├── NotFound              no such thing, or not for this asker
        ├── Conflict              the thing exists already, or changed meanwhile
        ├── WrongUse              a flag, an argument, a setting: says what to do
        ├── Unavailable           something we stand on does not answer; try again
        └── Fatal                 state unknown: stop the process
"""

from typing import Any


class SanjhaError(Exception):
    """Base of every error that we raise on purpose.

    ``public`` is one sentence for the asker: what happened and what to do.
    ``facts`` are for the log and never leave the node.
    """

    def __init__(self, public: str, **facts: Any) -> None:
        super().__init__(public)
        self.public = public
        self.facts = facts


class Refused(SanjhaError):
    """A rule says no; ``rule`` names it."""

    def __init__(self, public: str, *, rule: str, **facts: Any) -> None:
        super().__init__(public, **facts)
        self.rule = rule


class Forbidden(Refused):
    """The asker may not do this."""


class Malformed(SanjhaError):
    """Untrusted text or bytes that cannot be read."""


class TooLarge(Malformed):
    """Input beyond a named limit; nothing of it past the limit was read."""


class VerificationError(SanjhaError):
    """A signature, digest or proof does not hold."""


class NotFound(SanjhaError):
    """No such thing, or not for this asker: the two look the same from outside."""


class Conflict(SanjhaError):
    """The thing exists already or has changed meanwhile."""


class WrongUse(SanjhaError):
    """A wrong flag, argument or setting."""


class Unavailable(SanjhaError):
    """A database, peer or file system that we need does not answer."""


class Fatal(SanjhaError):
    """The node no longer knows its own state."""
