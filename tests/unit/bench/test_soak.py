import pytest

from bench.client import Endpoint
from bench.soak import MIX, Script, choose, grown

ENDPOINT = Endpoint(origin="http://127.0.0.1:1", api_root="http://127.0.0.1:1/taxii2/", collection="c", token="t")


def test_the_shares_of_the_mix_are_a_whole() -> None:
    assert sum(share for share, _ in MIX) == pytest.approx(1.0)
    assert choose(0.0) == MIX[0][1]
    assert choose(0.999999999) == choose(1.0) == MIX[-1][1]


def test_growth_leaves_the_warm_up_out() -> None:
    samples = [(n, 10.0 if n < 100 else 50.0) for n in range(0, 1001, 10)]
    assert grown(samples, 1000) == 0.0


def test_growth_is_seen() -> None:
    samples = [(n, 50.0 + n / 100) for n in range(0, 1001, 10)]
    assert grown(samples, 1000) == pytest.approx(8.0, abs=0.2)


def test_too_few_samples_are_an_error_not_a_pass() -> None:
    with pytest.raises(ValueError, match="too few"):
        grown([(0, 1.0), (1000, 1.0)], 1000)


def test_a_script_is_seeded_and_asks_for_everything() -> None:
    def paths(seed: int) -> list[str]:
        script = Script(ENDPOINT, ["indicator--1"], ["192.0.2.1"], [b"{}"] * 9, seed)
        return [ask.path for ask in (script.next() for _ in range(400)) if "added_after" not in ask.path]

    assert paths(1) == paths(1) != paths(2)
    text = " ".join(paths(1))
    for part in ("indicator--1", "match", "manifest", "lookup", "next=rubbish"):
        assert part in text
