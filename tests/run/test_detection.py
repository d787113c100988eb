"""Detection from COCO's files to int8: it learns, integers keep what was learnt, and runs go on where they were."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import nascompile as nc
from benchmarks.made_detection import write_shapes
from nascompile.compression import (
    QuantisedNetwork,
    evaluate_int8,
    prune,
    quantise_after_training,
    quantise_in_training,
)
from nascompile.data import load_dataset
from nascompile.data.dataset import Dataset
from nascompile.run.data import load_data, write_record
from nascompile.run.errors import RunError
from nascompile.run.evaluate import initial_network
from nascompile.run.folder import RunFolder
from nascompile.run.lead import lead
from nascompile.run.outcome import Outcome, finish
from nascompile.run.settings import DataSettings
from nascompile.training import Epoch, TrainingError, evaluate, recipe, train
from nascompile.training.detection.decode import detections
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import FileError
from spaces.networks.network import Network
from tests.run.examples import SPACE as CLASSIFIER
from tests.run.examples import data_file, settings

torch.set_num_threads(1)

SIDE = 32
SPACE = """\
space: boxes
input: {channels: 3, height: 32, width: 32}
dtype: int8
choices:
  M: [8, 16]
  S: [0.25, 0.5]
network:
  - conv: {filters: M, kernel: 3, stride: 2, activation: relu}
  - conv: {filters: "round_to(32 * (1 - S), 8)", kernel: 3, stride: 2, activation: relu}
  - conv: {filters: "round_to(64 * (1 - S), 8)", kernel: 3, stride: 2, activation: relu}
  - conv: {filters: "round_to(64 * (1 - S), 8)", kernel: 3, activation: relu}
  - yolo_head: {classes: CLASSES}
"""
RECIPE = recipe("ebs", lr=0.01, batch=16, epochs=12, schedule="cosine", augment="flip")


def space(folder: Path, classes: int = 1) -> FeasibleSet:
    (folder / "boxes.yaml").write_text(SPACE.replace("CLASSES", str(classes)))
    return nc.reduce(folder / "boxes.yaml")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 images of one class."""
    return write_shapes(tmp_path_factory.mktemp("made"), 300, SIDE, classes=1)


@pytest.fixture(scope="module")
def data(made: Path) -> Dataset:
    return load_dataset(made, (3, SIDE, SIDE), classes=1)


def measured(network: torch.nn.Module, data: Dataset) -> float:
    return evaluate(network, data.test, "detection", data.anchors)["map50"]


def test_the_same_seed_draws_the_same_files(made: Path, tmp_path: Path) -> None:
    again = write_shapes(tmp_path / "a", 5, SIDE, classes=1)
    for name in ("images/00000.png", "images/00004.png"):
        assert (again / name).read_bytes() == (made / name).read_bytes()
    assert write_shapes(tmp_path / "b", 5, SIDE, seed=1) != again
    assert (tmp_path / "b/images/00000.png").read_bytes() != (made / "images/00000.png").read_bytes()


def test_it_learns_and_int8_keeps_it(data: Dataset, tmp_path: Path) -> None:
    """Measured on 60 images: 0.03 untrained, 0.52 trained, 0.51 in int8, after training or by one more epoch."""
    first = initial_network(space(tmp_path)[2], seed=0)
    trained = train(first, data, RECIPE)
    assert set(trained.valid) == {"loss", "map50", "map50_95"}
    untrained, learnt = measured(first, data), measured(trained.network, data)
    assert untrained < 0.05
    assert learnt > 0.35
    best = max((e.valid["map50"], -e.valid["loss"]) for e in trained.history)
    assert (trained.valid["map50"], -trained.valid["loss"]) == best
    assert isinstance(trained.network, Network)
    further = quantise_in_training(trained.network, data, replace(RECIPE, lr=0.001), epochs=1)
    for quantised in (quantise_after_training(trained.network, data), further):
        int8 = evaluate_int8(quantised.network, data.test, "detection", data.anchors)["map50"]
        assert abs(int8 - learnt) < 0.08
    found = detections(further.network.predict(data.test.x), data.anchors, least=0.25, overlap=0.45)
    assert 0.5 < sum(map(len, found)) / sum(map(len, data.test.y)) < 2


def test_stopped_and_gone_on_with_bit_for_bit(data: Dataset, tmp_path: Path) -> None:
    first, how = initial_network(space(tmp_path)[0], seed=0), replace(RECIPE, epochs=3, augment="crop-flip")
    whole = train(first, data, how)

    def stop(epoch: Epoch) -> None:
        if epoch.number == 1:
            raise KeyboardInterrupt

    file = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train(first, data, how, checkpoint=file, progress=stop)
    resumed = train(first, data, how, checkpoint=file)
    assert resumed.history == whole.history
    ours, theirs = resumed.network.state_dict(), whole.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    with pytest.raises(TrainingError, match="its `anchors` differs"):
        train(first, replace(data, anchors=(*data.anchors[:2], (0.9, 0.9))), how, checkpoint=file)


def test_pruned_to_the_candidate(data: Dataset, tmp_path: Path) -> None:
    candidate = space(tmp_path)[2]
    pruned = prune(candidate, data, RECIPE, steps=2)
    assert sum(p.numel() for p in pruned.network.parameters()) == sum(
        p.numel() for p in initial_network(candidate, 0).parameters()
    )
    assert pruned.rounds[0].channels > pruned.rounds[-1].channels
    assert set(pruned.valid) == {"loss", "map50", "map50_95"}
    assert measured(pruned.network, data) > 0.2


def ended(folder: RunFolder) -> Outcome:
    data = load_data(folder)
    write_record(folder, data)
    return finish(folder, lead(folder, data, 1, "cpu"), data)


def test_a_run_and_its_tables(made: Path, tmp_path: Path) -> None:
    given = settings(made, samples=3, recipe=replace(RECIPE, epochs=2))
    folder = RunFolder.create(tmp_path / "run", given, space(tmp_path))
    outcome = ended(folder)
    assert outcome.metric == "map50"
    assert set(outcome.agreement) <= {"flops", "params"}
    record = json.loads((folder.path / "data.json").read_text())
    anchors = tuple(map(tuple, record["anchors"]))
    data = load_data(folder)
    assert (record["task"], record["classes"], anchors) == ("detection", ["rectangle"], data.anchors)
    for row in outcome.rows:
        int8 = QuantisedNetwork.load(folder.network(row["number"]) / f"{row['ships']}.safetensors")
        assert evaluate_int8(int8, data.test, "detection", anchors)["map50"] == row["test_int8"]
    (folder.path / "results.json").unlink()
    assert ended(RunFolder.open(folder.path)).data == outcome.data


def test_what_does_not_fit(made: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"has 1 classes \(rectangle\), the network tells 3 apart"):
        load_data(RunFolder.create(tmp_path / "a", settings(made), space(tmp_path, classes=3)))
    halves = replace(settings(data_file(tmp_path)), data=DataSettings(str(data_file(tmp_path))))
    (tmp_path / "boxes.yaml").write_text(
        SPACE.replace("CLASSES", "2").replace("channels: 3, height: 32, width: 32", "channels: 1, height: 8, width: 8")
    )
    with pytest.raises(RunError, match="the task is `classification`, and `boxes` ends in a `yolo_head`"):
        load_data(RunFolder.create(tmp_path / "b", halves, nc.reduce(tmp_path / "boxes.yaml")))
    classifier = CLASSIFIER.replace("channels: 1, height: 8, width: 8", "channels: 3, height: 32, width: 32")
    (tmp_path / "nine.yaml").write_text(classifier.replace("units: 2", "units: 1"))
    with pytest.raises(RunError, match="the task is `detection`, and `nine` does not end in a `yolo_head`"):
        load_data(RunFolder.create(tmp_path / "c", settings(made), nc.reduce(tmp_path / "nine.yaml")))


def test_a_network_without_the_right_head(data: Dataset, tmp_path: Path) -> None:
    wrong = initial_network(space(tmp_path, classes=2)[0], seed=0)
    message = "the network gives 21x4x4; 3 anchors and 1 classes need 18 channels"
    with pytest.raises(TrainingError, match=message):
        train(wrong, data, RECIPE)
    none = replace(data.valid, y=tuple(np.zeros((0, 5), np.float32) for _ in data.valid.y))
    with pytest.raises(TrainingError, match="there is no box"):
        evaluate(initial_network(space(tmp_path)[0], 0), none, "detection", data.anchors)
