"""Proxies that are read off a candidate's costs."""

from __future__ import annotations

import pytest

from samplers.proxies.base import ProxyError, Subject, proxy
from spaces.language.reader import load_space
from spaces.program.candidate import Candidate, parse_candidate
from spaces.program.compile import compile_space


@pytest.fixture(scope="module")
def candidate() -> Candidate:
    return parse_candidate(compile_space(load_space("dscnn")), "dscnn/6: 84-112-84-84-84-196")


@pytest.mark.parametrize("name", ["entropy", "flops", "macs", "params"])
def test_closed_forms_are_the_costs(name: str, candidate: Candidate) -> None:
    found = proxy(name).score(Subject(candidate=candidate))
    assert found == candidate.costs[name] > 0
    assert proxy(name).better == "higher"
    with pytest.raises(ProxyError, match="and got none"):
        proxy(name).score(Subject())


def test_latency_needs_a_profile(candidate: Candidate) -> None:
    if "latency" in candidate.costs:
        assert proxy("latency").score(Subject(candidate=candidate)) == candidate.costs["latency"]
    else:
        with pytest.raises(ProxyError, match=r"`latency` is not among the costs of `dscnn/6"):
            proxy("latency").score(Subject(candidate=candidate))
    assert proxy("latency").better == "lower"
