"""Runs fuzz targets one after the other, each in a process of its own; the corpus stays in .local/fuzz."""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

CORPUS: Final = Path(__file__).resolve().parents[2] / ".local" / "fuzz"
LONGEST_INPUT: Final = 65_536  #: bytes; what breaks a parser breaks it small


def _fuzz(name: str, seconds: int) -> None:
    """Does not return: libFuzzer ends the process, with 0 when the time is over and nothing broke."""
    import atheris

    with atheris.instrument_imports(include=["sanjha"]):
        from tests.fuzz.targets import TARGETS
    target, seeds = TARGETS[name]
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (folder / f"seed-{number}").write_bytes(seed)
    options = [f"-max_total_time={seconds}", f"-max_len={LONGEST_INPUT}", "-timeout=10", "-rss_limit_mb=2048"]
    atheris.Setup(
        [name, *options, f"-artifact_prefix={folder.with_name(f'{name}-broken-')}", "-verbosity=0", str(folder)], target
    )
    atheris.Fuzz()


def main() -> int:
    """Exit code 0: every target kept its word for as long as it was given. 1: some did not. 2: no such target."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: all of them")
    parser.add_argument("--seconds", type=int, default=600, help="for each target (default: 600)")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    wish = parser.parse_args()
    if wish.here:  # before anything else imports what is to be instrumented
        _fuzz(wish.targets[0], wish.seconds)
    from tests.fuzz.targets import TARGETS

    names: list[str] = wish.targets or list(TARGETS)
    if unknown := [name for name in names if name not in TARGETS]:
        parser.error(f"no target is called {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    broken = []
    for name in names:
        print(f"{name}: {wish.seconds} s", flush=True)
        command = [sys.executable, "-m", "tests.fuzz", "--here", "--seconds", str(wish.seconds), name]
        if subprocess.run(command, check=False).returncode:
            broken.append(name)
    print(f"broken: {', '.join(broken)}; the inputs are in {CORPUS}" if broken else "every target kept its word")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
