"""docs/reference is what the program says of itself."""

import pytest

from tools import reference


def test_the_pages_are_up_to_date() -> None:
    assert reference.differing() == [], "run: python -m tools.reference"


def test_a_page_that_lies_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "command_line", lambda: "sanjha makes coffee\n")
    assert reference.differing() == ["docs/reference/cli.md"]


def test_every_command_has_its_place() -> None:
    page = reference.command_line()
    for heading in ("## `sanjha init`", "### `sanjha feed add`", "## `sanjha fsck`", "### `sanjha config show`"):
        assert f"\n{heading}\n" in page
