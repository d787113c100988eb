"""A network that predicts numbers: in floating point, in integers, and in C with what turns outputs into values."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nascompile.compression import evaluate_int8, quantise_after_training, quantise_in_training
from nascompile.data import load_dataset
from nascompile.deploy.deploy import deploy
from nascompile.deploy.deployable import Deployable, float_deployable
from nascompile.deploy.project import in_memory
from nascompile.training import Recipe, train
from spaces.networks.network import Network
from tests.compression.networks import only
from tests.deploy.tools import any_chip, needs_host

SPACE = """
space: numbers
input: {channels: 1, height: 6, width: 6}
bias: true
network:
  - conv: {filters: 6}
  - conv: {filters: 6, stride: 2}
  - linear: {units: 2, activation: none}
"""
MAIN = """
#include <stdio.h>
#include "test/vectors.h"
static const float mean[NC_OUTPUT_SIZE] = NC_TARGET_MEAN, deviation[NC_OUTPUT_SIZE] = NC_TARGET_DEVIATION;
int main(void)
{
    nc_value out[NC_OUTPUT_SIZE];
    for (int n = 0; n < NC_VECTORS; n++) {
        nc_run(nc_inputs[n], out);
        for (int k = 0; k < NC_OUTPUT_SIZE; k++)
            printf("%.9g\\n", mean[k] + deviation[k] * VALUE(out[k]));
    }
}
"""
VALUES = {"int8": "NC_OUTPUT_SCALE * (float)((q) - NC_OUTPUT_ZERO)", "float32": "(q)"}


@needs_host
def test_numbers_come_out_of_the_chip_in_the_unit_of_the_data(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 1, 6, 6))
    y = np.stack([1000 + 5 * x[:, 0, 0, :3].sum(1), 0.01 * x[:, 0, 3:, 0].sum(1)], axis=1)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    data = load_dataset(tmp_path / "a.npz", (1, 6, 6), task="regression", classes=2)
    candidate, recipe = only(SPACE), Recipe(lr=0.01, batch=32, epochs=8)
    trained = train(candidate.build(seed=1, batch_norm="kept"), data, recipe)
    network = trained.network
    assert isinstance(network, Network)
    assert trained.valid["r2"] > 0.8
    after = quantise_after_training(network, data)
    assert after.valid["r2"] > trained.valid["r2"] - 0.1
    longer = quantise_in_training(network, data, replace(recipe, lr=0.002), epochs=2)
    assert longer.valid["r2"] > after.valid["r2"] - 0.05
    assert evaluate_int8(after.network, data.test, "regression")["r2"] > 0.7

    scale = data.prepared["targets"]
    pairs = tuple(zip(scale["mean"], scale["deviation"], strict=True))
    int8 = Deployable(candidate, after.network, after.network.run, trained=True)
    for subject in (int8, float_deployable(candidate, network, trained=True)):
        made = deploy(replace(subject, targets=pairs), any_chip("cortex-m4"), tmp_path / subject.dtype)
        assert "NC_TARGET_MEAN" in (made.folder / "README.md").read_text()
        (made.folder / "main.c").write_text(f"#define VALUE(q) ({VALUES[subject.dtype]})\n{MAIN}")
        files = sorted(str(path) for path in [made.folder / "main.c", *made.folder.glob("src/*.c")])
        subprocess.run(["cc", "-std=gnu99", "-Wall", "-Werror", f"-I{made.folder}", f"-I{made.folder}/include", *files,
                        "-lm", "-o", str(tmp_path / "run")], check=True)  # fmt: skip
        said = subprocess.run([tmp_path / "run"], check=True, capture_output=True, text=True).stdout
        found = np.array(said.split(), float).reshape(-1, 2)
        wanted = np.stack([in_memory(row, made.plan.output) for row in made.vectors.outputs])
        if subject.dtype == "int8":
            last = after.network.tensors[-1]
            wanted = (wanted.astype(int) - last.zero_point) * last.scale
        assert found == pytest.approx(wanted * scale["deviation"] + scale["mean"], rel=1e-5, abs=1e-5)


def test_other_tasks_have_none_of_it(tmp_path: Path) -> None:
    candidate = only(SPACE)
    network = candidate.build(seed=1).eval()
    made = deploy(float_deployable(candidate, network, trained=False), any_chip("cortex-m4"), tmp_path / "p")
    assert "NC_TARGET" not in (made.folder / "include/network.h").read_text()
