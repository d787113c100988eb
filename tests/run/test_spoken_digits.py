"""`examples/spoken_digits`, typed: from recordings to a firmware in C++ that hears as well as the run's table says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Run, run
from tests.deploy.tools import needs_both
from tests.system_tools import needs

__all__ = ["run"]

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "spoken_digits"
DATA = ROOT.parent / "shared" / "data" / "datasets" / "fsdd_8khz_1s_int16.npz"
#: As in the example, but for fewer networks, trained for a moment.
FEWER = {"--samples 4": "--samples 2", "--epochs 8": "--epochs 3"}


def recordings(folder: Path) -> None:
    """The data set as it is published, as far as our arrays have it."""
    folder.mkdir(parents=True)
    with np.load(DATA) as data:
        names = zip(data["y"], data["speaker"], data["index"], strict=True)
        for (digit, speaker, index), samples, count in zip(names, data["x"], data["n_samples"], strict=True):
            with wave.open(str(folder / f"{digit}_{speaker}_{index}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(8000)
                file.writeframes(samples[max(0, 8000 - count) // 2 :][:count].astype("<i2").tobytes())


@needs_both
@needs("cmake")
@pytest.mark.skipif(not DATA.exists(), reason="needs the data of ../shared")
def test_the_firmware_hears_as_well_as_the_table_says(run: Run) -> None:
    for file in EXAMPLE.iterdir():
        shutil.copy(file, run.folder)
    recordings(run.folder / "free-spoken-digit-dataset" / "recordings")
    text = (EXAMPLE / "README.md").read_text()
    typed = re.findall(r"^\$ (.*)$", text, re.MULTILINE)
    row: dict[str, float] = {}
    said = ""
    for line in typed[1:]:  # all but the download
        for more, less in FEWER.items():
            line = line.replace(more, less)
        words = shlex.split(line)
        if words[0] != "nascompile":
            words[0] = sys.executable if words[0] == "python" else words[0]
            said = subprocess.run(words, cwd=run.folder, capture_output=True, text=True, check=True).stdout
            if words[1] == "digits.py":
                with np.load(DATA) as theirs, np.load(run.folder / "digits.npz") as ours:
                    assert all((ours[name] == theirs[name]).all() for name in ("x", "y", "is_test"))
            continue
        if words[1] == "deploy":
            words[2] = f"run#{row['number']}"
        done = run(*words[1:], "--json")
        assert done.code == 0, done.stderr
        told = json.loads(done.stdout)
        if words[1] == "search":
            row = max(told["networks"], key=lambda one: one["test_int8"])
            assert row["test_int8"] > max(0.4, row["test"] - 0.05)
            continue
        found, sizes, predicted = told["raw_examples"], told["measured"], told["predicted"]
        assert (found["exact"], found["understood"], found["different"]) == (True, True, [])
        assert found["steps"] <= 1
        assert found["apart"] < 1e-4 * found["inputs"]
        assert found["examples"] == 300
        assert found["metric"] == found["stated"] == row["test_int8"]
        # What makes the input counts in the search, too.
        assert (row["rom"], row["ram"]) == (predicted["rom"], predicted["ram"])
        assert predicted["ram"] == sizes["ram"]
        assert abs(predicted["rom"] / sizes["rom"] - 1) < 0.01
        assert abs(predicted["prepare"] / found["prepare"] - 1) < 0.01
    right = round(300 * row["test_int8"])
    assert said == f"{right} of 300 clips are heard right: {100 * row['test_int8']:.2f} %\n"
