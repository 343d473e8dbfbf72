"""Each fuzz target on a little of everything: seeds, seeds cut and changed, bytes, text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_the_seeds_are_read(name: str) -> None:
    target, seeds = TARGETS[name]
    for seed in seeds:
        target(seed)


@pytest.mark.parametrize("name", sorted(TARGETS))
@given(data=st.data())
def test_anything_is_read_or_refused(name: str, data: st.DataObject) -> None:
    target, seeds = TARGETS[name]
    cut = st.builds(
        lambda seed, start, inner, end: seed[: int(len(seed) * start)] + inner + seed[int(len(seed) * end) :],
        st.sampled_from(seeds),
        st.floats(0, 1),
        st.binary(max_size=8),
        st.floats(0, 1),
    )
    target(data.draw(st.one_of(cut, st.binary(max_size=64), st.text(max_size=64).map(str.encode))))
