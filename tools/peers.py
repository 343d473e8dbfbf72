"""The real programs that the tests check us against: which are here, and, as root on Debian, installing the rest.

``requirements/debian.txt`` is the list. ``python -m tools.peers`` installs; it starts nothing and enables nothing.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

LIST: Final = Path(__file__).resolve().parents[1] / "requirements" / "debian.txt"

#: Debian keeps the server programs of PostgreSQL off the PATH, and those of an administrator off everyone else's.
_BESIDE_THE_PATH: Final = ("/usr/lib/postgresql/*/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")

_POLICY: Final = Path("/usr/sbin/policy-rc.d")  #: while it exits 101, installing a package starts no service
_NO_CLUSTER: Final = Path("/etc/postgresql-common/createcluster.conf")


class Peer(NamedTuple):
    """A Debian package, the program in it that we call, and what for."""

    package: str
    program: str
    reason: str


def peers() -> tuple[Peer, ...]:
    """The rows of ``requirements/debian.txt``."""
    rows = (line.split(maxsplit=2) for line in LIST.read_text(encoding="utf-8").splitlines())
    return tuple(Peer(*row) for row in rows if row and not row[0].startswith("#"))


def find(program: str) -> Path | None:
    """Where a program is: on the PATH, or where Debian hides it."""
    root = Path("/")
    beside = [str(place) for pattern in _BESIDE_THE_PATH for place in sorted(root.glob(pattern[1:]), reverse=True)]
    found = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *beside]))
    return Path(found) if found else None


def missing() -> tuple[Peer, ...]:
    """The peers that are not here."""
    return tuple(peer for peer in peers() if find(peer.program) is None)


def _apt(*arguments: str) -> str:
    """What apt-get complains of; empty when it did as told."""
    done = subprocess.run(
        ["apt-get", "--quiet", "--quiet", "--yes", "-o", "Dpkg::Options::=--force-confold", *arguments],
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return (done.stdout.strip()[-400:] or f"exit {done.returncode}") if done.returncode else ""


def _install(*arguments: str) -> str:
    return _apt("--no-install-recommends", "install", *arguments)


def _backports() -> tuple[str, str]:
    """(release, source line) of the backports beside the archive that apt uses; empty where unknown."""
    form = "$(REPO_URI) $(CODENAME) $(LABEL)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        match line.split():
            case [uri, codename, "Debian"] if "-" not in codename:
                keyring = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
                return f"{codename}-backports", f"deb {keyring} {uri} {codename}-backports main"
            case _:
                continue
    return "", ""


def _install_backported(package: str) -> str:
    """For a package that only the release's backports carry: their source is used once and not left behind."""
    release, source = _backports()
    if not release:
        return "no backports are known for this release"
    usual = Path("/etc/apt/sources.list")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # apt reads it as an account of its own
        sources = Path(folder) / "sources.list"
        known = usual.read_text(encoding="utf-8") if usual.exists() else ""
        sources.write_text(f"{known}\n{source}\n", encoding="utf-8")
        once = ("-o", f"Dir::Etc::SourceList={sources}")
        return _apt(*once, "update") or _install(*once, "--target-release", release, package)


def _install_from_apt(packages: list[str]) -> None:
    if not _install(*packages):
        return
    _apt("update")  # the usual reason on a fresh machine: no lists, or old ones
    for package in packages:
        complaint = _install(package)
        if complaint and (second := _install_backported(package)):
            print(f"{package} cannot be installed: {complaint}; from backports: {second}", file=sys.stderr)


def install(packages: list[str]) -> None:
    """Installs Debian packages without starting their services now or at the next boot."""
    quiet = not _POLICY.exists()
    if quiet:
        _POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
        _POLICY.chmod(0o755)
    if not _NO_CLUSTER.exists():
        _NO_CLUSTER.parent.mkdir(parents=True, exist_ok=True)
        _NO_CLUSTER.write_text("create_main_cluster = false\n", encoding="ascii")
    try:
        _install_from_apt(packages)
    finally:
        if quiet:
            _POLICY.unlink(missing_ok=True)
    for package in packages:
        if Path(f"/etc/init.d/{package}").exists() and shutil.which("update-rc.d"):
            subprocess.run(["update-rc.d", package, "disable"], capture_output=True, check=False)


def main() -> None:
    """Installs what is missing where that is possible; what stays missing, the test run names."""
    absent = [peer.package for peer in missing()]
    if absent and os.geteuid() == 0 and Path("/etc/debian_version").exists() and shutil.which("apt-get"):
        print(f"Installing {', '.join(absent)} for the tests ...", file=sys.stderr)
        install(absent)


if __name__ == "__main__":
    main()
