"""`nascompile select`: what it reads, chooses, prints, draws and writes, and its messages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nascompile.records.results_file import read_results
from samplers.subset.hypervolume import HypervolumeSelector
from tests.cli.conftest import Run

TABLE = """\
candidate,zico,macs,params,note
net: a,70.5,1000000,10,first
net: b,82,2000000,20,
net: c,81,3000000,30,"late, but whole"
net: d,85,4000000,40,
net: e,86,9000000,90,last
"""


@pytest.fixture
def scores(run: Run) -> Path:
    path = run.folder / "s.csv"
    path.write_text(TABLE)
    return path


def many(path: Path, n: int = 60, m: int = 3) -> np.ndarray:
    """A CSV file of random candidates; its objectives o0, o1, ..."""
    points = np.random.default_rng(0).random((n, m))
    lines = [",".join(["name", *(f"o{j}" for j in range(m))])]
    lines += [",".join([f"x{i}", *map(repr, row)]) for i, row in enumerate(points.tolist())]
    path.write_text("\n".join(lines) + "\n")
    return points


def test_table_and_verdict(run: Run, scores: Path) -> None:
    code, out, err = run("select", "s.csv", "-k", "3", "--objectives", "macs,zico")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "s.csv: 3 of 5 candidates, 4 on the front"
    assert [line.rstrip() for line in lines[2:6]] == [
        "#  candidate  macs, min  zico, max",
        "1  net: a     1,000,000       70.5",
        "2  net: b     2,000,000         82",
        "3  net: d     4,000,000         85",
    ]
    assert lines[7] == "dynamic programming, exact: no 3 candidates do better"
    assert len(lines) == 8
    assert json.loads(run("select", "s.csv", "-k", "3", "--objectives", "macs,zico", "--json").stdout)[
        "hypervolume"
    ] == pytest.approx(0.97371, abs=1e-5)


def test_it_is_the_library(run: Run) -> None:
    points = many(run.folder / "s.csv")
    arguments = ("--objectives", "o0:min,o1:max,o2:min", "--reference", "1.2,1.1,2", "-k", "4", "--json")
    data = json.loads(run("select", "s.csv", *arguments)[1])
    found = HypervolumeSelector(4, reference=[1.2, 1.1, 2]).select(points, ["min", "max", "min"])
    assert sorted(int(row["candidate"][1:]) for row in data["chosen"]) == list(found.chosen)
    assert [row["objectives"]["o0"] for row in data["chosen"]] == sorted(points[list(found.chosen), 0])
    assert all(row["line"] == int(row["candidate"][1:]) + 2 for row in data["chosen"])
    assert data["hypervolume"] == found.hypervolume
    assert data["upper_bound"] == found.upper_bound
    assert (data["method"], data["optimal"], data["gap"]) == (found.method, found.optimal, found.gap)
    assert [one["sense"] for one in data["objectives"]] == ["min", "max", "min"]
    assert [one["best"] for one in data["objectives"]] == list(found.best)
    assert [one["reference"] for one in data["objectives"]] == [1.2, 1.1, 2]
    assert (data["candidates"], data["front"], data["left_out"]) == (60, found.front, 0)


@pytest.mark.parametrize("method", ["greedy", "local", "branch_and_bound", "evolutionary"])
def test_methods(run: Run, method: str) -> None:
    points = many(run.folder / "s.csv", 30)
    limit = ("--time-limit", "0.2") if method in ("branch_and_bound", "evolutionary") else ()
    arguments = ("--objectives", "o0:min,o1:min,o2:min", "-k", "3", "--method", method, *limit)
    data = json.loads(run("select", "s.csv", *arguments, "--json")[1])
    best = HypervolumeSelector(3).select(points, ["min"] * 3)
    assert data["method"] == method
    assert data["hypervolume"] <= best.hypervolume <= data["upper_bound"] + 1e-12
    out = run("select", "s.csv", *arguments)[1]
    words = {"greedy": "greedy choice", "local": "local search", "evolutionary": "evolution"}
    assert words.get(method, "branch and bound") in out
    verdict = re.search(r"within (\S+) % of the best possible", out)
    if data["optimal"]:
        assert "exact: no 3 candidates do better" in out
    else:
        assert verdict
        assert float(verdict[1]) >= 100 * (1 - data["hypervolume"] / data["upper_bound"])


def test_json_lines(run: Run) -> None:
    rows = [
        {"candidate": "a", "costs": {"flops": 5, "rom": 1}, "accuracy": 0.7},
        {"candidate": "b", "costs": {"flops": 3, "rom": 1}, "accuracy": 0.6},
        {"candidate": "c", "costs": {"flops": 9, "rom": 1}, "accuracy": "inf"},
        {"candidate": "d", "costs": {"flops": 10**400, "rom": 1}, "accuracy": 0.9},
        {"candidate": "e", "costs": {"flops": 4, "rom": 1}, "accuracy": 0.5},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (run.folder / "r.jsonl").write_text("\n" + text)
    arguments = ("select", "r.jsonl", "-k", "2", "--objectives", "flops,accuracy:max", "-o", "c.jsonl")
    code, out, err = run(*arguments)
    assert code == 0
    assert "2 of 3 candidates, 2 on the front" in out
    assert "the whole front, exact: nothing is left out" in out
    assert err.splitlines()[0] == "left out, as a value is infinite or NaN: 2 of 5 candidates (line 4, 5)"
    assert [json.loads(line) for line in (run.folder / "c.jsonl").read_text().splitlines()] == [rows[1], rows[0]]
    data = json.loads(run(*arguments, "--json")[1])
    assert data["objectives"][0]["column"] == "costs.flops"
    assert data["left_out"] == 2


def test_chosen_lines_are_written_as_they_stand(run: Run, scores: Path) -> None:
    code, _, err = run("select", "s.csv", "-k", "4", "--objectives", "params:max,macs", "-o", "c.csv")
    assert (code, err) == (0, "written: c.csv\n")
    lines = TABLE.splitlines()
    assert (run.folder / "c.csv").read_text().splitlines() == [lines[0], lines[5], lines[4], lines[3], lines[2]]
    again = run("select", "c.csv", "-k", "4", "--objectives", "params:max,macs")
    assert again.stdout.splitlines()[2:8] == run("select", "s.csv", "-k", "4", "--objectives", "params:max,macs")[
        1].splitlines()[2:8]  # fmt: skip


def test_a_short_front_says_so(run: Run, scores: Path) -> None:
    out = run("select", "s.csv", "-k", "2", "--objectives", "zico:max")[1]
    assert "1  net: e" in out
    assert "2  net: d" in out
    assert out.endswith(
        "The front has 1 of the 2 wanted: it is dominated or a copy, and adds nothing to the hypervolume.\n"
    )


def test_what_a_score_run_writes_is_read(run: Run) -> None:
    """Directions of proxies and costs come from the registry; -inf, as NASWOT gives it, is left out."""
    text = "space: w\ninput: {channels: 6}\nchoices:\n  A: [none, relu]\n  N: {start: 3, stop: 8}\nnetwork:\n"
    text += "  - linear: {units: N, activation: A}\n  - linear: {units: 3}\n"
    (run.folder / "w.yaml").write_text(text)
    run("score", "w.yaml", "--batch", "4", "--proxies", "naswot,snip,ntk", "--jobs", "1", "-o", "s.csv")
    code, out, err = run("select", "s.csv", "-k", "2", "--objectives", "macs,naswot,snip,ntk", "--json")
    data = json.loads(out)
    assert code == 0
    assert [one["sense"] for one in data["objectives"]] == ["min", "max", "max", "min"]
    lines = (run.folder / "s.csv").read_text().splitlines()[1:]
    bad = sum("inf" in line or "nan" in line for line in lines)
    assert bad >= 6  # those without a ReLU
    assert (data["candidates"], data["left_out"]) == (12, bad)
    assert err.startswith(f"left out, as a value is infinite or NaN: {bad} of 12 candidates (line ")
    assert all("relu" in row["candidate"] for row in data["chosen"])


# -- drawings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objectives", ["o0:min,o1:max", "o0:min,o1:max,o2:min"])
def test_drawings(run: Run, objectives: str) -> None:
    many(run.folder / "<s>.csv", 40)
    for name in ("f.png", "f.svg", "f.html"):
        code, _, err = run("select", "<s>.csv", "-k", "3", "--objectives", objectives, "--plot", name)
        assert (code, err) == (0, f"written: {name}\n")
    assert (run.folder / "f.png").read_bytes().startswith(b"\x89PNG")
    svg = (run.folder / "f.svg").read_text()
    panels = 1 if objectives.count(",") == 1 else 3
    for number in "123":
        assert len(re.findall(rf">{number}</text>", svg)) >= panels
    for text in ("o0 (lower is better)", "o1 (higher is better)", "exact: no 3 candidates do better", "chosen"):
        assert text in svg
    page = (run.folder / "f.html").read_text()
    assert "<svg" in page
    assert "3 of 40 candidates of &lt;s&gt;.csv" in page
    assert page.count("<tr>") == 4
    run("select", "<s>.csv", "-k", "3", "--objectives", objectives, "--plot", "again.svg")
    assert (run.folder / "again.svg").read_text() == svg


def test_all_chosen_and_equal_values_can_be_drawn(run: Run) -> None:
    (run.folder / "s.csv").write_text("c,o0,o1\na,1,5\nb,1,5\nc,1,5\n")
    assert run("select", "s.csv", "-k", "3", "--objectives", "o0:min,o1:min", "--plot", "f.svg").code == 0
    (run.folder / "s.csv").write_text("c,o0,o1\na,1,5\nb,2,4\n")
    arguments = ("--objectives", "o0:min,o1:min", "--reference", "0.5", "--plot", "f.svg")
    assert run("select", "s.csv", "-k", "2", *arguments).code == 0


def test_what_spans_decades_is_drawn_on_a_logarithmic_axis(run: Run) -> None:
    """The reference of o1 lies below 0, where a logarithmic axis ends."""
    (run.folder / "s.csv").write_text("c,o0,o1\n" + "".join(f"{k},{10**k},{3**k}\n" for k in range(1, 7)))
    assert run("select", "s.csv", "-k", "3", "--objectives", "o0:min,o1:max", "--plot", "f.svg").code == 0
    svg = (run.folder / "f.svg").read_text()
    assert [label for label in ("100", "10k", "1M", "500k") if f">{label}</text>" in svg] == ["100", "10k", "1M"]


# -- messages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--objectives names none [no-objectives]\n  name some columns, such as zico,macs,params"),
        (("--objectives", "zicco"), "s.csv:1:1: there is no column `zicco` [missing-column]\n  did you mean `zico`?"),
        (("--objectives", "flops,zico"), "there is no column `flops` [missing-column]"),
        (("--objectives", "zico,note:max"), "s.csv:2:24: `first` is no number (column `note`) [bad-number]"),
        (("--objectives", "zico,note:max"), "s.csv:4:1: `late, but whole` is no number"),
        (("--objectives", "zico,note:max"), "s.csv:3:22: the cell of `note` is empty [bad-number]"),
        (("--objectives", "zico:up"), "`zico` is to be `up` in --objectives [bad-option]\n  write zico:min or"),
        (("--objectives", "zico,zico:min"), "--objectives names `zico` twice"),
        (("--objectives", "zico", "-k", "6"), "s.csv:1:1: 6 are wanted, and the file has 5 candidates [too-few-rows]"),
        (("--objectives", "zico", "--method", "gredy"), "there is no --method `gredy` [unknown-method]\n  did you"),
        (("--objectives", "zico,macs,params", "--method", "exact"), "`exact` is for two objectives, and there are 3"),
        (("--objectives", "zico", "--method", "local", "--time-limit", "1"), "--time-limit does nothing for local"),
        (("--objectives", "zico", "--reference", "x"), "--reference cannot be `x`"),
        (("--objectives", "zico", "--reference", "-1"), "the `reference` -1.0 cannot be"),
        (("--objectives", "zico,macs", "--plot", "f.pdf"), "cannot draw `f.pdf` [bad-option]\n  give a file"),
        (("--objectives", "zico", "--plot", "f.png"), "--plot needs two objectives or more"),
        (("--objectives", "zico,macs", "--plot", "no/f.png"), "no/f.png:1:1: cannot write the file"),
        (("--objectives", "zico", "-o", "c.jsonl"), "give a file that ends in .csv"),
        (("--objectives", "zico", "-o", "no/c.csv"), "no/c.csv:1:1: cannot write the file"),
    ],
)  # fmt: skip
def test_messages(arguments: tuple[str, ...], message: str, run: Run, scores: Path) -> None:
    code, out, err = run("select", "s.csv", "-k", "3", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert [path.name for path in run.folder.iterdir()] == ["s.csv"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f:1:1: the file has no candidates [no-rows]"),
        ("candidate,macs\n", "f:1:1: the file has no candidates"),
        ("candidate,macs\na,1\nb", "f:3:1: this line has 1 values instead of 2 [truncated-file]\n  the file seems"),
        ("candidate,macs\na,1,2\nb,3\n", "f:2:1: this line has 3 values instead of 2 [damaged-file]"),
        ("candidate,macs\na,1\nb,", "f:3:3: the cell of `macs` is empty [bad-number]"),
        ("candidate,macs\na,1\nb,", "the file seems to be cut off"),
        ("candidate,macs,macs\na,1,2\n", "two columns are called `macs` [bad-header]"),
        ("candidate;macs\na;1\n", "f:1:1: the columns are separated by `;` [bad-header]\n  save the table with commas"),
        ("candidate,macs\na,1\nb,inf\n", "f:1:1: 2 are wanted, and the file has 1 candidates"),
        ('candidate,macs\n"a\nb",1\nc,x\n', "f:4:3: `x` is no number (column `macs`)"),
        ("candidate,macs\na,1_0\n", "f:2:3: `1_0` is no number"),
        ("candidate,macs\na,x\n" + "b,y\n" * 30, "and 21 more such cells"),
        ('{"macs": 1}\n{"macs": ', "f:2:1: this line is no whole JSON object [truncated-file]"),
        ('{"macs": 1}\n{"macs": \n', "f:2:1: this line is no JSON: Expecting value"),
        ('{"macs": 1}\n[2]\n', "f:2:1: this line is no JSON object [damaged-file]"),
        ('{"macs": 1}\n{"flops": 2}\n', "f:2:1: this line has no `macs` [bad-number]"),
        ('{"macs": 1}\n{"macs": true}\n', "f:2:1: `true` is no number (column `macs`)"),
        ('{"macs": 1}\n{"macs": null}\n', "f:2:1: `null` is no number (column `macs`)"),
        ('{"a": {"macs": 1}, "b": {"macs": 2}}\n', "`macs` could be `a.macs` or `b.macs`"),
    ],
)  # fmt: skip
def test_damaged_files(text: str, message: str, run: Run) -> None:
    (run.folder / "f").write_text(text)
    code, out, err = run("select", "f", "-k", "2", "--objectives", "macs")
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_files_that_cannot_be_read(run: Run) -> None:
    assert "no.csv:1:1: cannot read the file: No such file" in run("select", "no.csv", "--objectives", "macs")[2]
    (run.folder / "f").write_bytes(b"\xff\xfe\x00")
    assert "f:1:1: not a UTF-8 text file (byte 0)" in run("select", "f", "--objectives", "macs")[2]
    (run.folder / "f").write_text("what,zest\na,1\n")
    err = run("select", "f", "--objectives", "zest")[2]
    assert "`zest` is neither a proxy nor a cost" in err
    assert "write zest:min or zest:max" in err


def test_a_last_line_without_end_is_remarked(run: Run) -> None:
    (run.folder / "f").write_text("candidate,macs\na,1\nb,22")
    code, _, err = run("select", "f", "-k", "1", "--objectives", "macs")
    assert code == 0
    assert err == "the last line of f does not end; if its run was cut off, the last number may be wrong\n"


def test_candidates_without_names_are_called_by_their_lines(run: Run) -> None:
    (run.folder / "f").write_text("macs,zico\n1,2\n3,4\n")
    out = run("select", "f", "-k", "2", "--objectives", "macs,zico")[1]
    assert [line.split("  ")[1] for line in out.splitlines()[3:5]] == ["line 2", "line 3"]
    assert read_results(run.folder / "f").label is None


def test_the_command_line_starts_without_the_libraries() -> None:
    command = "import nascompile.cli, sys; print({'moocore', 'matplotlib', 'torch', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
