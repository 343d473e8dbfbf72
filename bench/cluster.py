"""PostgreSQL as Debian ships it: the test suite's cluster with stock, durable settings."""

import subprocess
from typing import Final

from tests import postgres

#: Only what lets it run beside other servers; everything else is PostgreSQL's default.
_SETTINGS: Final = ("listen_addresses=127.0.0.1",)


class StockCluster(postgres.Cluster):
    """``create()`` gives an empty database's name, ``url(name)`` its SQLAlchemy URL; ``remove()`` ends it."""

    def __init__(self) -> None:
        super().__init__(fsync=True)

    def start(self) -> None:
        """Starts the server; returns when it answers."""
        self.port = postgres._free_port()
        command = [postgres._program("postgres"), "-D", str(self.folder / "data")]
        for setting in (*_SETTINGS, f"port={self.port}", f"unix_socket_directories={self.folder}"):
            command += ["-c", setting]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                user=self.account,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if not self._answers():
            raise RuntimeError(f"PostgreSQL did not start: {self.log()[-800:]}")

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        assert self.process is not None
        return self.process.pid

    def new(self) -> str:
        """The URL of a new, empty database."""
        return self.url(self.create())
