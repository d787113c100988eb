"""Names of samplers: those of this package, and those that others add."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from samplers import registry
from samplers.base import Run, Sampler
from samplers.registry import SAMPLERS, TRAINING_FREE, register, registered, sampler, training_free
from samplers.testing import example_set
from samplers.training_free import TrainingFreeSearch
from spaces.errors import EngineError


@dataclass
class Last(Sampler):
    step: int = 1

    def propose(self, run: Run) -> int:
        return run.untaken(run.left - 1)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Names given here end here."""
    monkeypatch.setattr(registry, "SAMPLERS", dict(SAMPLERS))
    monkeypatch.setattr(registry, "TRAINING_FREE", dict(TRAINING_FREE))
    yield
    assert "last" not in SAMPLERS


@pytest.mark.parametrize("name", [*SAMPLERS, *TRAINING_FREE])
def test_each_name_is_of_the_kind_that_it_is_listed_as(name: str) -> None:
    entry = registered(name)
    assert entry.training_free == (name in TRAINING_FREE)
    assert issubclass(entry.type, TrainingFreeSearch if name in TRAINING_FREE else Sampler)
    assert "seed" in entry.parameters
    assert set(entry.fixed) <= set(entry.make(name, {}).parameters)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_metric_is_what_it_learns_from_if_it_learns(name: str) -> None:
    found = sampler(name, metric="auc").objectives
    assert dict(found) == ({"auc": "max"} if name not in ("uniform", "entropy") else {})


def test_what_is_given_goes_before_the_metric() -> None:
    assert sampler("adaptive", metric="auc", objective="loss", direction="min").objectives == {"loss": "min"}


@pytest.mark.usefixtures("own")
def test_a_name_of_ones_own() -> None:
    register("last", Last, step=2)
    made = sampler("last", seed=3, metric="accuracy")
    assert made == Last(seed=3, step=2)
    fs = example_set("small")
    assert [fs.index(c) for c in made.ask(fs, 2)] == [13, 12]
    with pytest.raises(EngineError, match="has no parameter `step`"):
        sampler("last", step=3)
    with pytest.raises(EngineError, match="there is a sampler `last` already"):
        register("last", Last)
    with pytest.raises(EngineError, match="`Path` follows no protocol of samplers"):
        register("path", Path)  # type: ignore[arg-type]


@pytest.mark.usefixtures("own")
def test_a_package_names_its_samplers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = tmp_path / "last-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: last\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[nascompile.samplers]\nlast = tests.samplers.test_registry:Last\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert isinstance(sampler("last", step=4), Last)
    assert not registered("last").training_free


@pytest.mark.parametrize("find", [sampler, training_free, registered])
def test_there_is_no_such_sampler(find: object) -> None:
    with pytest.raises(EngineError, match=r"there is no sampler `entropi`"):
        find("entropi")  # type: ignore[operator]
