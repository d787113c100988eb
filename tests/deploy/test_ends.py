"""What lies before and behind a network, in C: inputs as training has them, answers as Python gives them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nascompile.data import AudioFeatures, load_dataset
from nascompile.data.dataset import Part
from nascompile.data.examples import Wanted
from nascompile.data.raw import load_raw
from nascompile.deploy.core import CORES
from nascompile.deploy.deploy import deploy, verify
from nascompile.deploy.deployable import Deployable, float_deployable
from nascompile.deploy.deployed import Deployed
from nascompile.deploy.ends import Alarm, Ends
from nascompile.deploy.ends_costs import FILE
from nascompile.deploy.measure import compiler_version
from nascompile.deploy.raw_examples import RawExamples, check_raw
from nascompile.run.data import data_record
from tests.compression.networks import lively, only
from tests.deploy.tools import any_chip, needs_both, needs_host, quantised

N = 60
RNG = np.random.default_rng(0)
CLIPS = (4000 * RNG.normal(size=(N, 1700)) * np.linspace(0, 2, N)[:, None]).clip(-32768, 32767).astype(np.int16)

#: Task -> the network's input and layers, and the data.
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "pixels": (
        "{channels: 3, height: 8, width: 6}",
        "- conv: {filters: 6, stride: 2}\n- global_avg_pool\n- linear: {units: 3}",
        {"x": RNG.integers(0, 256, (N, 3, 8, 6), np.uint8), "y": ["a", 'b"', "ü"] * (N // 3)},
    ),
    "sound": (
        "{channels: 1, height: 10, width: 10}",
        "- conv: {filters: 6, stride: 2}\n- global_avg_pool\n- linear: {units: 3}",
        {"x": CLIPS, "y": np.arange(N) % 3, "rate": 8000},
    ),
    "samples": (
        "{channels: 1, length: 1700}",
        "- conv1d: {filters: 4, kernel: 9, stride: 8}\n- global_avg_pool\n- linear: {units: 3}",
        {"x": CLIPS, "y": np.arange(N) % 3, "rate": 8000},
    ),
    "labels": (
        "{channels: 12}",
        "- linear: {units: 8, activation: relu}\n- linear: {units: 5}",
        {"x": 3 + RNG.normal(size=(N, 12)) * np.arange(1, 13), "y": RNG.integers(0, 2, (N, 5))},
    ),
    "numbers": (
        "{channels: 2, length: 24}",
        "- conv1d: {filters: 4, kernel: 3}\n- global_avg_pool\n- linear: {units: 2}",
        {"x": RNG.normal(size=(N, 2, 24)) * 5 + 100, "y": RNG.normal(size=(N, 2)) * [1, 50] + [3, 7]},
    ),
    "anomalies": (
        "{channels: 3, height: 4, width: 4}",
        "- flatten\n- linear: {units: 8, activation: relu}\n- linear: {units: 48}",
        {"x": RNG.integers(0, 256, (N, 3, 4, 4), np.uint8), "y": np.arange(N) % 6 // 5},
    ),
    "noises": (
        "{channels: 1, height: 10, width: 40}",
        "- conv: {filters: 4}\n- conv: {filters: 1, activation: none}",
        {"x": CLIPS, "y": np.arange(N) % 6 // 5, "rate": 8000},
    ),
}
HOW: dict[str, dict[str, Any]] = {
    "labels": {"task": "multi-label"}, "numbers": {"task": "regression"},
    "anomalies": {"task": "anomaly", "normal": "0"},
    "noises": {"task": "anomaly", "normal": "0", "features": AudioFeatures("log-mel")},
}  # fmt: skip


def subject(space: str, layers: str, x: np.ndarray, dtype: str, ends: Ends) -> Deployable:
    """A network of a space with weights of its own, and both of its ends."""
    lines = "".join(f"  {line}\n" for line in layers.splitlines())
    candidate = only(f"space: tested\ninput: {space}\ndtype: int8\nbias: true\nnetwork:\n{lines}")
    network = lively(candidate.build(seed=1, batch_norm="kept"))
    if dtype == "float32":
        return replace(float_deployable(candidate, network, trained=True), ends=ends)
    made = quantised(network, x)
    return Deployable(candidate, made, made.run, trained=True, ends=ends)


def written(name: str, dtype: str, core: str, tmp_path: Path) -> tuple[Deployed, RawExamples]:
    """A network of `CASES` in C, with raw examples."""
    space, layers, arrays = CASES[name]
    np.savez(tmp_path / "a.npz", **arrays)
    shape, how = only(f"space: a\ninput: {space}\nnetwork:\n  - flatten\n").program.space.input.dims, HOW.get(name, {})
    data = load_dataset(tmp_path / "a.npz", shape, **how)
    ends = Ends.of_record(data_record(data))
    made = subject(space, layers, data.train.x, dtype, ends)
    if data.task == "anomaly":
        found = made.real(made.reference(made.quantised(data.valid.x))).reshape(len(data.valid), -1)
        errors = np.square(found - data.valid.x.reshape(found.shape)).mean(1)
        made = replace(made, ends=replace(ends, alarm=Alarm.chosen(errors, np.asarray(data.valid.y))))
    wanted = Wanted(shape, how.get("features"), task=data.task)
    raw = load_raw(tmp_path / "a.npz", wanted, most=9, normal=how.get("normal"))
    part = Part(data.test.x[:9], data.test.y[:9], data.test.units)
    metric = {"anomaly": "auc", "regression": "rmse", "multi-label": "f1"}.get(data.task, "accuracy")
    return deploy(made, any_chip(core), tmp_path / "p"), RawExamples(raw, part, metric)


@needs_host
@pytest.mark.parametrize(
    ("name", "dtype"), [*((name, "int8") for name in CASES), ("sound", "float32"), ("noises", "float32")]
)
def test_raw_examples_become_what_python_makes_of_them(name: str, dtype: str, tmp_path: Path) -> None:
    made, examples = written(name, dtype, "Cortex-M4F", tmp_path)
    found = check_raw(made, examples)
    assert found.passed
    assert found.steps <= (1 if dtype == "int8" else 1e-3)
    assert found.apart <= 0.01 * found.inputs or dtype == "float32"
    assert found.metric == pytest.approx(found.python, abs=0.02 * abs(found.python or 0))
    header, readme = ((made.folder / path).read_text() for path in ("include/network.h", "README.md"))
    assert "## From raw samples to an answer" in readme
    asked = {
        "labels": "nc_labels(",
        "numbers": "nc_predict(",
        "anomalies": "nc_is_anomaly(",
        "noises": "nc_is_anomaly(",
    }
    assert asked.get(name, "nc_classify(") in header
    if name == "pixels":
        assert r'{"a", "b\042", "\303\274"}' in (made.folder / "src/network.c").read_text()


@needs_host
def test_a_wrong_input_and_a_wrong_answer_are_told(tmp_path: Path) -> None:
    made, examples = written("labels", "int8", "Cortex-M4F", tmp_path)
    off = replace(examples, part=replace(examples.part, x=examples.part.x + np.float32(0.2)))
    assert check_raw(made, off).steps > 1
    source = made.folder / "src" / "network.c"
    text = source.read_text()
    source.write_text(text.replace("> NC_OUTPUT_ZERO", "< NC_OUTPUT_ZERO"))
    assert text != source.read_text()
    found = check_raw(made, examples)
    assert (found.exact, found.understood, found.passed) == (True, False, False)


def boxes(dtype: str) -> tuple[Deployable, RawExamples]:
    """A detector of two classes in images of noise."""
    layers = "- conv: {filters: 8, stride: 4}\n- conv: {filters: 8}\n- yolo_head: {classes: 2, anchors: 2}"
    raw = RNG.integers(0, 256, (6, 3, 32, 24), np.uint8)
    x = ((raw / 255 - 0.5) / 0.25).astype(np.float32)
    ends = Ends(
        "detection", ("cat", "dog"), "uint8", 1 / 255, np.full(3, 0.5), np.full(3, 0.25),
        anchors=((0.2, 0.3), (0.6, 0.5)),
    )  # fmt: skip
    truth = tuple(np.array([[k % 2, 0.5, 0.5, 0.3, 0.3]], np.float32) for k in range(len(x)))
    return subject("{channels: 3, height: 32, width: 24}", layers, x, dtype, ends), RawExamples(
        raw, Part(x, truth), "map50"
    )


@needs_both
@pytest.mark.parametrize(
    ("name", "dtype", "core"),
    [("boxes", "int8", "Cortex-M4F"), ("boxes", "float32", "Cortex-M7"), ("sound", "int8", "Cortex-M4F"),
     ("noises", "int8", "Cortex-M0+")],
)  # fmt: skip
def test_a_chip_answers_in_the_flash_ram_and_instructions_predicted(
    name: str, dtype: str, core: str, tmp_path: Path
) -> None:
    if name == "boxes":
        one, examples = boxes(dtype)
        made = deploy(one, any_chip(core), tmp_path / "p")
        least = torch.from_numpy(one.real(one.reference(one.quantised(examples.part.x))))
        assert (least[:, 4].sigmoid() > 0.25).any(), "there is something to find"
    else:
        made, examples = written(name, dtype, core, tmp_path)
    found = check_raw(made, examples, CORES[core])
    assert found.passed
    shown = verify(made)
    assert shown.passed
    assert shown.sizes
    assert shown.sizes.ram == made.predicted["ram"] == made.ram
    if compiler_version(CORES[core]) not in FILE.read_text():
        pytest.skip("the compiler is another than that of the shipped measurements")
    # Without a floating-point unit both the network and its ends call functions of the compiler's, and how long these
    # take depends on the numbers.
    soft = core == "Cortex-M0+"
    assert made.predicted["rom"] == pytest.approx(shown.sizes.rom, rel=0.02 if soft else 0.01)
    assert found.prepare == pytest.approx(made.predicted["prepare"], rel=0.15 if soft else 0.02)


def test_the_threshold_of_anomalies_has_the_false_alarms_that_it_says() -> None:
    rng = np.random.default_rng(1)
    errors = np.concatenate([rng.gamma(2, size=200), rng.gamma(2, size=50) + 3])
    alarm = Alarm.chosen(errors, np.arange(250) // 200)
    assert alarm
    assert (alarm.normal, alarm.false, alarm.anomalies) == (200, 10, 50)
    assert alarm.found == (errors[200:] > alarm.threshold).sum() > 25
    assert Alarm.chosen(errors[:3], np.ones(3)) is None
