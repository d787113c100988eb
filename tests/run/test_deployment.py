"""The networks that a run keeps, built for the chip: what is real beside what was predicted."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

import nascompile as nc
from nascompile.deploy.errors import DeployError
from nascompile.run.deployment import BUILT, check_deployable, deploy_chosen
from nascompile.run.folder import RunFolder
from nascompile.run.outcome import Outcome
from spaces.targets.catalogue import load_target
from tests.deploy.tools import needs_both
from tests.run.examples import data_file, settings, small_set
from tests.run.test_lead import ended


def run_on(tmp_path: Path, mcu: str | None) -> RunFolder:
    small_set(tmp_path)
    fs = nc.reduce(tmp_path / "nine.yaml", mcu=mcu, runtime="nascompile-c" if mcu else "ebs")
    return RunFolder.create(tmp_path / "run", settings(data_file(tmp_path), deploy=True), fs)


@needs_both
def test_the_kept_networks_are_built_and_the_tables_say_what_they_take(tmp_path: Path) -> None:
    folder = run_on(tmp_path, "stm32f412")
    on_progress: list[int] = []
    outcome = deploy_chosen(folder, ended(folder), on_progress.append)
    assert on_progress == [row["number"] for row in outcome.rows if row["chosen"]]
    for row in outcome.rows:
        assert all((name in row) == bool(row["chosen"]) for name in BUILT)
    for row in outcome.chosen:
        assert row["ram_built"] == row["ram"], "by the runtime, RAM is what is alive at once"
        assert abs(row["rom_built"] / row["rom"] - 1) < 0.01
        assert row["instructions"] > row["macs"]
        assert (folder.path / "deploy" / f"{row['number']:04d}" / "src/network.c").is_file()
    assert Outcome.read(folder) == outcome
    with (folder.path / "results.csv").open() as file:
        table = list(csv.DictReader(file))
    assert {row["rom_built"] for row in table if row["chosen"] == "0"} == {""}


@pytest.mark.parametrize(("mcu", "code"), [(None, "no-mcu"), ("esp32", "no-core")])
def test_what_cannot_be_built_is_said_before_training(tmp_path: Path, mcu: str | None, code: str) -> None:
    small_set(tmp_path)
    program = nc.compile(tmp_path / "nine.yaml", mcu=mcu)
    with pytest.raises(DeployError, match=code):
        check_deployable(program)


def test_a_target_of_ones_own_is_known_to_its_file_only(tmp_path: Path) -> None:
    small_set(tmp_path)
    own = replace(load_target("stm32f412"), name="board-in-my-drawer")
    with pytest.raises(DeployError, match="deploy afterwards"):
        check_deployable(nc.compile(tmp_path / "nine.yaml", mcu=own))


def test_without_tools_a_search_does_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_set(tmp_path)
    program = nc.compile(tmp_path / "nine.yaml", mcu="stm32f412")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeployError, match="apt-get install"):
        check_deployable(program)
