"""How sets, candidates and runs show themselves in a notebook."""

from __future__ import annotations

import builtins
from typing import Any

import pytest

import nascompile as nc
from nascompile.run.own_outcome import OwnOutcome
from solvers.sets.relaxed_set import exactly
from spaces.errors import NascompileError


def test_tables_of_html() -> None:
    fs = exactly(nc.reduce("mlp2", rom=10_000), "members")
    shown = fs._repr_html_()
    assert "<caption>FeasibleSet mlp2: 8 of 64 (rom &lt;= 10,000)</caption>" in shown
    assert "M[1] 16..64, M[2] 16..64" in shown
    assert f'<td class="text">rom</td><td>{fs[0].costs["rom"]:,}</td>' in fs[0]._repr_html_()
    relaxed = nc.reduce("mlp2", rom=13_600, solver="relaxed")
    assert "mlp2" in relaxed._repr_html_()


def test_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    fs = exactly(nc.reduce("mlp2", rom=10_000), "members")
    frame = fs.to_frame()
    assert len(frame) == fs.size
    assert frame["rom"].tolist() == [one.costs["rom"] for one in fs]
    rows = (
        {"number": 0, "candidate": "a", "rom": 8, "accuracy": 0.5, "chosen": 1},
        {"number": 1, "error": "x", "chosen": 0},
    )
    outcome = OwnOutcome("accuracy", "max", ("rom",), rows, "the whole front")
    assert outcome.to_frame()["number"].tolist() == [0, 1]
    assert '<td>0</td><td class="text">a</td><td>8</td><td>0.5</td>' in outcome._repr_html_()

    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "pandas":
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(NascompileError, match="pip install pandas"):
        fs.to_frame()
