"""What the commands say about cell spaces: indices, twins, dead edges, and how many functions a set holds."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

import nascompile as nc
from spaces.language.reader import load_space
from spaces.program.duplicates import originals
from tests.cli.conftest import Run

CELL = load_space("nasbench201").cells["cell"]

SMALL = """\
space: small
input: {channels: 4, height: 8, width: 8}
ram_model: liveness
cells:
  cell:
    nodes: 3
    operators:
      none: zero
      skip: identity
      conv: [relu, {conv: {filters: channels, activation: none}}]
network:
  - cell: cell
"""


@pytest.fixture
def small(run: Run) -> str:
    (run.folder / "small.yaml").write_text(SMALL)
    return "small.yaml"


def test_check_a_numbered_cell(run: Run) -> None:
    code, out, _ = run("check", "nasbench201", "11", "--mcu", "stm32f746", "--json")
    (cell,) = json.loads(out)["cells"]
    assert code == 0
    assert (cell["index"], cell["first_alike_index"], cell["dead_edges"]) == (
        11,
        11,
        [{"label": "cell[4]", "from": 0, "to": 3, "operator": "none"}],
    )
    assert cell["costs"]["removed"] == cell["costs"]["counted"]


def test_check_a_duplicate_with_dead_edges(run: Run, small: str) -> None:
    """Node 1 leads nowhere: its convolution of 3 * 3 * 4 * 4 weights on 8 x 8 runs only where dead edges count."""
    line = "|conv~0|+|conv~0|none~1|"
    code, out, _ = run("check", small, line, "--json")
    data = json.loads(out)
    (cell,) = data["cells"]
    assert code == 0
    assert (cell["operators"], cell["index"]) == (line, None)
    assert (cell["first_alike"], cell["first_alike_index"]) == ("|none~0|+|conv~0|none~1|", None)
    assert [edge["label"] for edge in cell["dead_edges"]] == ["cell[1]", "cell[3]"]
    removed, counted = cell["costs"]["removed"], cell["costs"]["counted"]
    assert (removed["params"], counted["params"]) == (144, 288)
    assert (removed["macs"], counted["macs"]) == (144 * 64, 288 * 64)
    assert (removed["rom"], counted["rom"]) == (4 * 144, 4 * 288)
    assert removed["params"] == data["costs"]["params"]
    counts = json.loads(run("check", small, line, "cells.cell.dead_edges=counted", "--json")[1])
    assert counts["costs"]["params"] == 288
    assert counts["cells"][0]["costs"] == cell["costs"]


def test_check_for_a_person(run: Run, small: str) -> None:
    out = run("check", small, "|conv~0|+|conv~0|none~1|")[1]
    assert "cell: |conv~0|+|conv~0|none~1|: same function as |none~0|+|conv~0|none~1|" in out
    assert "dead edges: cell[1] 0->1 conv, cell[3] 1->2 none" in out
    words = " ".join(out.split())
    assert "removed 576 B 2,048 B 144 9,216 <- this space" in words
    assert "counted 1,152 B 3,072 B 288 18,432" in words
    alive = run("check", small, "|skip~0|+|conv~0|conv~1|")[1]
    assert "dead edges: none" in alive
    assert "same function as" not in alive


def test_spaces_without_cells_say_nothing_of_them(run: Run) -> None:
    assert "cells" not in json.loads(run("check", "mlp2", "16-16", "--json")[1])
    assert "functions" not in json.loads(run("reduce", "mlp2", "--json", "--no-save")[1])
    assert run("export", "mlp2", "-n", "1")[1].startswith("candidate,rom,")
    assert len(json.loads(run("show", "mlp2", "--distinct", "-n", "99", "--json")[1])["members"]) == 64
    code, _, err = run("show", "dscnn", "--distinct")
    assert code == 2
    assert "--distinct compares all members, and 19,136,512 are too many; at most 100,000 [too-many]" in err


def test_the_set_of_a_microcontroller(run: Run) -> None:
    """NAS-Bench-201 on a microcontroller with 64 KiB of RAM and 256 KiB of flash."""
    code, out, _ = run("reduce", "nasbench201", "--mcu", "stm32l432", "--json", "-o", "s.nasset")
    data = json.loads(out)
    assert code == 0
    assert (data["count"], data["size"]) == (5_396, 15_625)
    assert data["functions"] == {"benchmark_form": 1_162, "canonical_cell": 793}

    run("export", "s.nasset", "-o", "m.npz")
    members = np.load(run.folder / "m.npz", allow_pickle=False)
    first = originals(CELL)
    fs = nc.load_set(run.folder / "s.nasset")
    assert len(members["index"]) == 5_396
    assert members["duplicate_of"].tolist() == first[members["index"]].tolist()
    for k, candidate in zip(range(0, 5_396, 97), fs.at(range(0, 5_396, 97)), strict=True):
        assert (candidate.number, candidate.costs["rom"]) == (members["index"][k], members["rom"][k])

    once = list(csv.DictReader(io.StringIO(run("export", "s.nasset", "--distinct")[1])))
    assert {int(row["duplicate_of"]) for row in once} == set(members["duplicate_of"].tolist())
    assert len(once) == 1_162

    shown = json.loads(run("show", "s.nasset", "--distinct", "--top", "macs", "-n", "20", "--json")[1])["members"]
    assert len({member["duplicate_of"] for member in shown}) == len(shown) == 20
    assert [m["macs"] for m in shown] == sorted((m["macs"] for m in shown), reverse=True)
    assert shown[0]["macs"] == members["macs"].max()


def test_distinct_without_a_numbering(run: Run, small: str) -> None:
    report = json.loads(run("reduce", small, "--json", "--no-save")[1])
    members = json.loads(run("show", small, "--distinct", "-n", "99", "--json")[1])["members"]
    assert report["functions"]["benchmark_form"] == len(members) < report["count"] == 27
    assert report["functions"]["canonical_cell"] <= len(members)
    assert "duplicate_of" not in members[0]
    assert len(json.loads(run("show", small, "--distinct", "-n", "1", "--json")[1])["members"]) == 1
    assert len(json.loads(run("show", small, "--distinct", "-n", "0", "--json")[1])["members"]) == 0
    assert "distinct functions" in run("reduce", small, "--no-save")[1]
