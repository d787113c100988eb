"""Whoever changes a cost raises the number of the cost model: costs of library networks are kept, and compared.

`python -m tests.spaces.test_cost_model` writes `tests/cost_model.json`: what is new, and after the number was raised
everything anew.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from spaces.costs.cost_model import COST_MODEL
from spaces.costs.latency import LatencyProfile
from spaces.costs.latency_profiles import load_profile, profiles
from spaces.errors import NascompileError
from spaces.language.library import library
from spaces.language.reader import load_space
from spaces.language.space import Space
from spaces.program.breakdown import totals
from spaces.program.candidate import Candidate
from spaces.program.graph import Budgets, Program
from spaces.program.variants import unroll
from spaces.runtimes.base import Runtime
from spaces.runtimes.ebs import Ebs
from spaces.runtimes.library import find_runtime
from spaces.runtimes.nascompile_c import NascompileC
from spaces.targets.catalogue import catalogue
from spaces.tensors import Infeasible

FILE = Path(__file__).parents[1] / "cost_model.json"
AGAIN = "run `python -m tests.spaces.test_cost_model`"

DTYPES = ("float32", "int8")

#: Variants of a space, and networks of each, that are costed.
VARIANTS, NETWORKS = 6, 2


def runtimes() -> Iterator[tuple[str, str, Runtime, str | None]]:
    """What counts costs: its name, a data type, the runtime, and a latency profile."""
    for dtype in DTYPES:
        yield f"ebs, {dtype}", dtype, Ebs(), None
        for core in ("Cortex-M0+", "Cortex-M33", "Cortex-M4F", "Cortex-M55", "Cortex-M7"):
            target = next(t for t in catalogue() if t.core == core)
            yield f"nascompile-c on {core}, {dtype}", dtype, find_runtime(NascompileC.name, target, dtype), None
    for name in profiles():
        yield f"latency of {name}", load_profile(name).dtype, Ebs(), name


def digest(space: Space, runtime: Runtime, profile: str | None) -> str:
    """SHA-256 of what some networks of a space cost, walked layer by layer."""
    clocked: LatencyProfile | None = load_profile(profile) if profile else None
    if clocked and not clocked.clock_hz and clocked.unit != "ns":
        clocked = clocked.at_clock(100_000_000)
    variants = unroll(space)
    program = Program(space, variants, Budgets(), "", space.ram_model, runtime=runtime, latency=clocked)
    source = random.Random(0)
    found = [
        _costs(
            Candidate(space.name, v, tuple(source.randrange(len(d.options)) for d in variants[v].decisions), program)
        )
        for v in source.sample(range(len(variants)), min(VARIANTS, len(variants)))
        for _ in range(NETWORKS)
    ]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]


def _costs(candidate: Candidate) -> str:
    try:
        return ", ".join(f"{name} {value:.9g}" if isinstance(value, float) else f"{name} {value}"
                         for name, value in totals(candidate).items())  # fmt: skip
    except Infeasible:
        return "no network"
    except NascompileError as error:
        return error.diagnostics[0].code


def version(space: Space) -> str:
    """Of a space's file, whose documentation costs nothing: another space of the same name is a new one."""
    data = {key: value for key, value in space.document.source.data.items() if key not in ("doc", "dtype")}
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()[:6]


@cache
def digests() -> dict[str, str]:
    """Space and runtime -> digest."""
    loaded = {(name, dtype): load_space(name, [f"dtype={dtype}"]) for name in library() for dtype in DTYPES}
    return {
        f"{name} ({version(loaded[name, dtype])}) by {what}": digest(loaded[name, dtype], runtime, profile)
        for name in library()
        for what, dtype, runtime, profile in runtimes()
    }


def complaint(kept: dict[str, Any], now: dict[str, str]) -> str:
    """What is to be done; empty where nothing is."""
    before = kept["digests"]
    changed = [name for name in before if name in now and now[name] != before[name]]
    if kept["cost_model"] == COST_MODEL and changed:
        return (
            f"costs have changed: {len(changed)} of {len(before)}, as {changed[0]}; the members of set files made "
            "before might no longer fit, so either take the change back, or raise COST_MODEL in "
            f"spaces/costs/cost_model.py to {COST_MODEL + 1} and {AGAIN}"
        )
    if kept["cost_model"] != COST_MODEL or before != now:
        return f"{FILE.name} is of an older cost model, or of other spaces or runtimes: {AGAIN}"
    return ""


def test_no_cost_changes_without_the_number_of_the_cost_model() -> None:
    what = complaint(json.loads(FILE.read_text()), digests())
    assert not what, what


class TestTheTest:
    def kept(self, cost_model: int = COST_MODEL) -> dict[str, Any]:
        return {"cost_model": cost_model, "digests": {"a": "1", "b": "2"}}

    def test_a_changed_cost(self) -> None:
        expected = f"raise COST_MODEL in spaces/costs/cost_model.py to {COST_MODEL + 1} and {AGAIN}"
        assert complaint(self.kept(), {"a": "1", "b": "3"}).endswith(expected)

    def test_what_is_new_or_gone_or_raised(self) -> None:
        assert complaint(self.kept(), {"a": "1", "b": "2"}) == ""
        for now in ({"a": "1", "b": "2", "c": "3"}, {"a": "1"}):
            assert complaint(self.kept(), now).startswith(f"{FILE.name} is of")
        assert complaint(self.kept(COST_MODEL - 1), {"a": "2", "b": "3"}).startswith(f"{FILE.name} is of")

    def test_a_byte_per_layer_is_noticed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        space = load_space("mlp2")
        before, layer = digest(space, Ebs(), None), Ebs.layer
        assert before in digests().values()
        monkeypatch.setattr(Ebs, "layer", lambda *given: (layer(*given)[0] + 1, 0))
        assert digest(space, Ebs(), None) != before


def write() -> None:
    """Keep the digests as they are now, unless the number of the cost model should have been raised."""
    kept = json.loads(FILE.read_text()) if FILE.is_file() else {"cost_model": COST_MODEL, "digests": {}}
    if (what := complaint(kept, digests())) and not what.startswith(FILE.name):
        raise SystemExit(what)
    FILE.write_text(json.dumps({"cost_model": COST_MODEL, "digests": digests()}, indent=1) + "\n")


if __name__ == "__main__":
    write()
