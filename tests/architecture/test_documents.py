"""Documents fail the build when they lie: links lead somewhere, commands exist."""

import re
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, texts

LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)|!\[[^\]\n]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"`make ([a-z]+)|^\s*make ([a-z]+)\b", re.MULTILINE)
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)


def _documents() -> list[tuple[str, str]]:
    return [(path, text) for path, text in texts() if path.endswith(".md")]


def _anchors(text: str) -> set[str]:
    """The anchors that a reader's page makes of the headings (GitHub's way)."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(FENCED.sub("", text)))
    return {heading.replace(" ", "-") for heading in plain}


def dead_links(path: str, text: str, root: Path = ROOT) -> list[str]:
    dead = []
    for found in LINK.finditer(FENCED.sub("", text)):
        target, _, anchor = (found[1] or found[2]).partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        place = (root / path).parent / target
        if target and not place.exists():
            dead.append(f"{path}: {target} does not exist")
        elif anchor and (not target or place.suffix == ".md"):
            body = place.read_text(encoding="utf-8") if target else text
            dead += [f"{path}: {target}#{anchor}: no such heading"] if anchor not in _anchors(body) else []
    return dead


def unknown_commands(path: str, text: str) -> list[str]:
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {one or other for one, other in COMMAND.findall(text)}
    return [f"{path}: the Makefile has no {name}" for name in sorted(named - known)]


@pytest.mark.parametrize("check", [dead_links, unknown_commands])
def test_documents_tell_the_truth(check: object) -> None:
    assert callable(check)
    problems = [problem for path, text in _documents() for problem in check(path, text)]
    assert not problems, "\n".join(problems)


def test_a_lie_is_seen() -> None:
    assert dead_links("CONTRIBUTING.md", "see [the plan](docs/no-such-plan.md)")
    assert dead_links("CONTRIBUTING.md", "# Start\n[here](#the-end)")
    assert not dead_links("CONTRIBUTING.md", "# Start here\n[here](#start-here) [licence](LICENSE)")
    assert unknown_commands("CONTRIBUTING.md", "run `make coffee`")
    assert not unknown_commands("CONTRIBUTING.md", "run `make test`")


def test_every_command_is_in_the_list() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in "setup demo test check bench soak lock format clean".split():
        assert re.search(rf"^{name}:.* ## ", makefile, re.MULTILINE), name
