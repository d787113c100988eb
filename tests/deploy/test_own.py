"""Networks that a user trained, without a run: from the module, from its integers and from files of weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import nascompile as nc
from nascompile.cli.own_weights import OwnWeights
from nascompile.compression import quantise_after_training
from nascompile.data import load_dataset
from nascompile.deploy.deploy import verify
from nascompile.deploy.errors import DeployError
from spaces.errors import FileError
from tests.cli.conftest import Run, run  # noqa: F401 - a fixture
from tests.compression.networks import only
from tests.deploy.tools import any_chip, needs_both

SPACE = """
space: own
input: {channels: 1, height: 6, width: 6}
choices:
  M: [4, 6]
network:
  - conv: {filters: M}
  - linear: {units: 3, activation: none}
"""
CHIP = any_chip("Cortex-M4F")


def data_of(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    x = 100 * rng.normal(size=(120, 1, 6, 6)).astype(np.float32)
    np.savez(folder / "own.npz", x=x, y=x[:, 0, 0, :3].argmax(1))
    return folder / "own.npz"


@needs_both
def test_what_a_user_trained_becomes_c(run: Run) -> None:  # noqa: F811
    """As a module, as integers and as files of either: all four are one network, in the last ones bit for bit."""
    (run.folder / "own.yaml").write_text(SPACE)
    candidate = nc.parse_candidate(nc.compile("own.yaml", tables=False), "4")
    data, network = load_dataset(data_of(run.folder), (1, 6, 6)), candidate.build()
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(20):
        optimiser.zero_grad()
        x, y = torch.from_numpy(data.train.x), torch.from_numpy(np.asarray(data.train.y))
        torch.nn.functional.cross_entropy(network(x), y).backward()
        optimiser.step()
    in_float = nc.deploy(candidate, network, mcu=CHIP, folder="a")
    assert (in_float.plan.dtype, network.training) == ("float32", True)
    assert verify(in_float).passed
    after = quantise_after_training(network.eval(), data)
    nc.deploy(candidate, after, mcu=CHIP, folder="b", calibrate=data)
    nc.deploy(candidate, network, mcu="stm32f412", folder="c", calibrate=data)
    save_file(network.state_dict(), "float.safetensors")
    after.network.save(Path("int8.safetensors"))
    arguments = ("deploy", "own.yaml", "4", "--mcu", "stm32f412", "--weights")
    told = run(*arguments, "float.safetensors", "--calibrate", "own.npz", "--verify", "--json", "-o", "d")
    assert (told.code, json.loads(told.stdout)["measured"]["passed"], json.loads(told.stdout)["trained"]) == (
        0,
        True,
        True,
    )
    assert run(*arguments, "int8.safetensors", "-o", "e").code == 0
    # Ranges are those of the same examples, so all of them are the same integers.
    texts = {(run.folder / name / "test/vectors.h").read_text() for name in "bcde"}
    assert len(texts) == 1
    assert "random" not in (run.folder / "e/README.md").read_text()


def test_what_is_no_network_of_the_candidate(tmp_path: Path) -> None:
    candidate = only(SPACE.replace("choices:\n  M: [4, 6]\n", "").replace("filters: M", "filters: 4"))
    network = candidate.build()
    state = network.state_dict()
    first = next(iter(state))

    def failed(what: object, code: str, **more: object) -> None:
        with pytest.raises((DeployError, FileError), match=code):
            nc.deploy(candidate, what, mcu=CHIP, folder=tmp_path / "p", **more)  # type: ignore[arg-type]
        assert not (tmp_path / "p").exists()

    failed(torch.nn.Linear(2, 2), "a `Linear` is no network")
    failed(network, "needs examples", dtype="int8")
    failed(network, "are none of a network of", calibrate=np.zeros((3, 6, 6), np.float32))
    failed(network, "are none of a network of", calibrate=np.full((3, 1, 6, 6), np.nan, np.float32))
    failed(network, "bad-prefix", prefix="3d")
    for change, told in (
        ({first: None}, f"`{first}` is not there"),
        ({first: torch.zeros(7)}, rf"`{first}` has shape \[7\]"),
        ({"more": torch.zeros(1)}, "there is `more` besides"),
    ):
        changed = {name: tensor for name, tensor in {**state, **change}.items() if tensor is not None}
        save_file(changed, tmp_path / "w.safetensors")
        failed(tmp_path / "w.safetensors", told)
    save_file({**state, first: torch.full_like(state[first], torch.nan)}, tmp_path / "w.safetensors")
    failed(tmp_path / "w.safetensors", "no finite numbers")
    (tmp_path / "w.safetensors").write_bytes(b"no")
    failed(tmp_path / "w.safetensors", "damaged-file")
    failed(tmp_path / "none.safetensors", "unreadable-file")


def test_data_to_calibrate_with_say_themselves_what_they_are(tmp_path: Path) -> None:
    candidate = only("space: heard\ninput: {channels: 1, height: 10, width: 10}\nnetwork:\n  - flatten\n")
    np.savez(tmp_path / "sound.npz", x=np.zeros((40, 2000), np.int16), y=np.arange(40) % 2)
    own = OwnWeights(tmp_path / "w.safetensors", tmp_path / "sound.npz")
    with pytest.raises(FileError, match=r"(?s)no-rate.*--calibrate takes data that say themselves"):
        own.subject(candidate, "int8")
