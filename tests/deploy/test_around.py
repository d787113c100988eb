"""What the C has around a network counts in its costs, as `deploy` writes it, and in the budgets of its space."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nascompile as nc
from benchmarks.ends_profile import priced
from nascompile.cli.options import SetRequest
from nascompile.cli.search.shipping import searched_set
from nascompile.data import load_dataset
from nascompile.data.audio_features import AudioFeatures
from nascompile.deploy.deploy import deploy
from nascompile.deploy.deployable import untrained
from nascompile.deploy.ends import Ends
from nascompile.deploy.ends_costs import EndsCosts, around_of
from nascompile.run.settings import DataSettings
from solvers.base import SOLVERS, solve
from solvers.sets.relaxed_set import load_set
from spaces.costs.latency_profiles import named_profile
from spaces.errors import NascompileError
from spaces.language.reader import read_space
from spaces.program.breakdown import totals
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets, Program
from spaces.program.shipping import Shipping
from spaces.runtimes.around import NOTHING
from spaces.runtimes.nascompile_c import NascompileC
from spaces.targets.catalogue import load_target

CHIP = load_target("stm32f746")
ONE = np.ones(1)
SOUND = Ends("classification", ("a", "b"), "int16", 1.0, ONE, ONE, features=AudioFeatures(), rate=8000)
BOXES = Ends("detection", ("a", "b", "c"), "uint8", 1 / 255, ONE, ONE, anchors=((0.2, 0.3),) * 2)
HEARD = """\
space: heard
input: {channels: 1, height: 12, width: 10}
dtype: int8
choices:
  M: [2, 4, 24]
network:
  - conv: {filters: M, stride: 2, activation: relu}
  - global_avg_pool
  - linear: {units: 2}
"""
SEEN = """\
space: seen
input: {channels: 1, height: 13, width: 9}
dtype: int8
choices:
  S: [1, 2, 3]
  M: [1, 4]
network:
  - conv: {filters: M, stride: S}
  - yolo_head: {classes: 3, anchors: 2}
"""


def counting(text: str, ends: Ends, budgets: Budgets = Budgets(), dtype: str = "int8") -> Program:  # noqa: B008
    space = read_space(text, overrides=[f"dtype={dtype}"])
    around = around_of(ends, CHIP.core, dtype, space.input.shape.size)
    runtime = replace(NascompileC.find(CHIP, dtype), around=around)
    latency = named_profile(NascompileC.name, CHIP, dtype)
    return compile_space(space, budgets, target=CHIP.name, runtime=runtime, latency=latency)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize(("text", "ends"), [(HEARD, SOUND), (SEEN, BOXES)], ids=["sound", "boxes"])
def test_every_network_costs_what_deploy_says(text: str, ends: Ends, dtype: str, tmp_path: Path) -> None:
    program = counting(text, ends, dtype=dtype)
    bare = replace(program, runtime=replace(program.runtime, around=NOTHING))
    raised = 0
    for candidate in solve(program, "exhaustive"):
        made = deploy(replace(untrained(candidate, dtype), ends=ends), CHIP, tmp_path / "c")
        told = made.predicted
        assert (candidate.costs["rom"], candidate.costs["ram"]) == (told["rom"], told["ram"])
        assert told["ram"] == made.ram
        took = (told["instructions"] + told["prepare"]) * 10**9 / CHIP.clock_hz
        assert candidate.costs["latency"] == pytest.approx(took, abs=len(candidate.steps) + 2)
        assert candidate.costs == totals(candidate)
        takes = Shipping.of(program, dtype).takes(candidate)
        assert (takes.rom, takes.ram, takes.prepare) == (told["rom"], told["ram"], told["prepare"])
        raised += totals(replace(candidate, program=bare))["ram"] < told["ram"]
    assert raised, "of some networks it is the ends that need the most"


def test_budgets_hold_them_whichever_engine_counts(tmp_path: Path) -> None:
    costs = [one.costs for one in solve(counting(SEEN, BOXES), "exhaustive")]
    for metric in ("ram", "rom"):
        bound = sorted(one[metric] for one in costs)[len(costs) // 2]
        program = counting(SEEN, BOXES, Budgets(**{metric: bound}))
        sets = {name: solve(program, name) for name in SOLVERS if name != "relaxed"}
        assert {len(fs) for fs in sets.values()} == {sum(one[metric] <= bound for one in costs)}
    fs = sets["diagram"]
    path = fs.save(tmp_path / "a.nasset")
    again = load_set(path)
    assert again.program.runtime == fs.program.runtime
    assert again[0].costs == fs[0].costs
    assert again[0].program.runtime.around.boxes == 3


def test_a_set_file_with_broken_ends_is_refused() -> None:
    stored = counting(HEARD, SOUND).runtime.stored()["runtime"]
    assert NascompileC.of_data(json.loads(json.dumps(stored))).around.before == stored["around"]["before"] > 0
    for wrong in ({"rom": 1}, {**stored["around"], "before": -4}, 7):
        with pytest.raises(NascompileError, match="no measurements"):
            NascompileC.of_data({**stored, "around": wrong})


def test_from_data_to_a_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "heard.yaml").write_text(HEARD)
    np.savez(tmp_path / "a.npz", x=np.zeros((40, 2000), np.int16) + np.arange(40)[:, None], y=np.arange(40) % 2)
    data = load_dataset(tmp_path / "a.npz", (1, 12, 10), rate=8000)
    alone = nc.reduce(tmp_path / "heard.yaml", mcu="stm32f412", ships="int8")
    heard = nc.reduce(tmp_path / "heard.yaml", mcu="stm32f412", ships="int8", data=data)
    ends = Ends.of_data(data)
    assert ends
    assert heard[0].costs["rom"] - alone[0].costs["rom"] == EndsCosts.find("Cortex-M4F", "int8").rom(ends)
    assert nc.compile(tmp_path / "heard.yaml", mcu="stm32f412", data=data).runtime.around == NOTHING
    # A search of the space counts it; of a file of a set it says what was not.
    given = DataSettings(str(tmp_path / "a.npz"), rate=8000)
    path = str(alone.save(tmp_path / "alone.nasset"))
    searched = searched_set(SetRequest(str(tmp_path / "heard.yaml"), mcu="stm32f412"), given, "int8")[0]
    assert searched[0].costs == heard[0].costs
    assert f"counting int8 networks by nascompile-c, {heard.program.runtime.around.rom:,} B of flash and " in (
        said := capsys.readouterr().err
    ), said
    assert searched_set(SetRequest(path), given, "int8")[0][0].costs == alone[0].costs
    assert "counts networks alone; with these data there is" in capsys.readouterr().err


def test_the_ends_are_priced_where_networks_are() -> None:
    assert all(EndsCosts.find(core, dtype) for core, dtype in priced())
    assert ("RISC-V RV32IMC", "int8") in priced()
