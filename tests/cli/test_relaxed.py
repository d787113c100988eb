"""Commands on relaxed sets: every count says between what it lies, members are drawn, and all else is refused."""

from __future__ import annotations

import csv
import json

import pytest

import nascompile as nc
from nascompile.run.folder import RunFolder
from samplers.registry import SAMPLERS
from solvers import relaxed
from solvers.base import solve
from solvers.sets.relaxed_set import RelaxedSet
from spaces.errors import EngineError
from tests.cli.conftest import Run
from tests.run.examples import SPACE, data_file
from tests.samplers.test_monas import SPACE as CELLS

MLP2 = ("mlp2", "--rom", "13600", "--solver", "relaxed")
NINE = ("nine.yaml", "--rom", "900", "--solver", "relaxed")
BETWEEN = "between 5 and 30"


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """So little memory that limits are divided into few steps."""
    monkeypatch.setattr(relaxed, "MEMORY", 1)
    monkeypatch.setattr(relaxed, "_COARSEST", 1)


@pytest.fixture
def members() -> set[str]:
    return set(map(str, nc.reduce("mlp2", rom=13_600)))


@pytest.fixture
def file(run: Run) -> str:
    assert run("reduce", *MLP2, "-o", "mlp2.nasset").code == 0
    return "mlp2.nasset"


def test_a_page(run: Run) -> None:
    assert run("report", *MLP2).code == 0
    page = (run.folder / "report.html").read_text()
    assert f"<b>{BETWEEN}</b>feasible" in page
    assert "The set is relaxed" in page
    assert 'id="data"' not in page


def test_count(run: Run) -> None:
    done = run("count", *MLP2)
    assert done.code == 0
    assert done.stdout.startswith(f"{BETWEEN}, about 1")
    assert done.stdout.endswith("with 95 % confidence, by 10,000 draws with seed 0)\n")
    data = json.loads(run("count", *MLP2, "--json").stdout)
    estimate = data.pop("count_estimate")
    assert data.pop("ships") == {"dtype": "int8", "runtime": "ebs", "count": 56}
    assert data == {
        "count": None, "count_at_least": 5, "count_at_most": 30, "size": 64, "variants": {"": [5, 30]},
        "dtype": "float32", "runtime": "ebs",
    }  # fmt: skip
    assert estimate["low"] <= 14 <= estimate["high"]
    assert (estimate["draws"], estimate["seed"], estimate["level"]) == (10_000, 0, 0.95)


def test_reduce_saves_it_and_it_opens(run: Run, file: str, members: set[str]) -> None:
    fs = nc.load_set(run.folder / file)
    assert isinstance(fs, RelaxedSet)
    assert set(map(str, fs.sample(14, seed=0))) == members
    assert run("count", file).stdout == run("count", *MLP2).stdout
    shown = run("reduce", *MLP2, "--no-save").stdout
    assert f"|X^f|: {BETWEEN} feasible (7.81 % to 46.9 %)\n" in shown
    assert "the set is relaxed: rom rounded to multiples of 8,192\n" in shown
    assert f"64  {BETWEEN}  7.81 % to 46.9 %" in shown
    data = json.loads(run("reduce", *MLP2, "--no-save", "--json").stdout)
    assert (data["count"], data["count_at_least"], data["count_at_most"], data["exact"]) == (None, 5, 30, False)
    assert data["relaxed"] == {"quanta": {"rom": 8192}, "left_out": [], "text": "rom rounded to multiples of 8,192"}
    assert data["variants"][0]["count_at_most"] == 30
    assert "share" not in data


def test_nothing_fits(run: Run) -> None:
    assert run("reduce", "mlp2", "--rom", "1", "--solver", "relaxed").code == 1
    assert not list(run.folder.iterdir())


def test_show_draws(run: Run, file: str, members: set[str]) -> None:
    data = json.loads(run("show", file, "-n", "20", "--json").stdout)
    assert {row["candidate"] for row in data["members"]} == members
    first = run("show", file, "-n", "3", "--seed", "0").stdout
    assert first == run("show", file, "-n", "3").stdout != run("show", file, "-n", "3", "--seed", "1").stdout
    assert BETWEEN in first
    done = run("show", file, "--verify", "-n", "0")
    assert (done.code, "verified: solving anew gives the same set" in done.stderr) == (0, True)


def test_export_draws(run: Run, file: str, members: set[str]) -> None:
    drawn = [
        row["candidate"] for row in csv.DictReader(run("export", file, "-n", "5", "--seed", "2").stdout.splitlines())
    ]
    assert len(set(drawn) & members) == 5
    assert run("export", file, "-n", "99", "--seed", "2", "-f", "npz", "-o", "x.npz").code == 0


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("show", "FILE", "--top", "rom"), "the best member"),
        (("show", "FILE", "--least", "rom", "-n", "1"), "the best member"),
        (("export", "FILE"), "an export of the members"),
        (("export", "FILE", "-n", "3"), "an export of the members"),
        (("diff", "FILE", "FILE"), "comparing two sets"),
        (("sample", "FILE", "--parameter", "method=quantised"), '`method` = "quantised"'),
    ],
)
def test_what_needs_an_order_is_refused(run: Run, file: str, arguments: tuple[str, ...], what: str) -> None:
    done = run(*(file if argument == "FILE" else argument for argument in arguments))
    assert done.code == 2
    assert done.stdout == ""
    assert f"the set is relaxed: {what} needs all members in order" in done.stderr
    assert "or hold it exactly: larger steps, fewer budgets, more memory (--max-memory)" in done.stderr


def test_distinct_cells_are_refused(run: Run) -> None:
    (run.folder / "tiny.yaml").write_text(CELLS)
    for command in ("show", "export", "score"):
        done = run(command, "tiny.yaml", "--rom", "300", "--solver", "relaxed", "--distinct")
        assert "the set is relaxed: --distinct needs all members in order" in done.stderr


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samplers(run: Run, file: str, members: set[str], sampler: str) -> None:
    lines = run("sample", file, "-n", "6", "--sampler", sampler).stdout.split("\n")[:-1]
    assert len(set(lines)) == 6
    assert set(lines) <= members
    assert run("sample", *MLP2, "-n", "6", "--sampler", sampler).stdout.split("\n")[:-1] == lines


def test_sample_says_what_it_clusters(run: Run, file: str, monkeypatch: pytest.MonkeyPatch, members: set[str]) -> None:
    monkeypatch.setattr("samplers.entropy.AUTO_LISTED", 20)
    monkeypatch.setattr("samplers.entropy._KNOWN", 9)
    said = "clusters by entropy are those of 9 members, drawn uniformly with seed 4"
    for sampler in ("entropy", "adaptive"):
        assert said in run("sample", file, "-n", "2", "--seed", "4", "--sampler", sampler).stderr
    assert "clusters" not in run("sample", file, "-n", "2", "--seed", "4", "--sampler", "uniform").stderr
    done = run("sample", file, "-n", "20", "--seed", "4")
    assert set(done.stdout.split("\n")[:-1]) == members
    assert "14 instead of 20: all 14 members have been given" in done.stderr


def test_sample_goes_on_from_its_state(run: Run, file: str, members: set[str]) -> None:
    lines = [run("sample", file, "-n", "5", "--state", "s.json").stdout for _ in range(3)]
    assert sorted("".join(lines).split("\n")[:-1]) == sorted(members)
    data = json.loads(run("sample", file, "-n", "2", "--json").stdout)
    assert (data["count"], data["count_at_least"], data["count_at_most"], data["left"]) == (None, 5, 30, None)


def test_score(run: Run, file: str, members: set[str]) -> None:
    arguments = ("score", file, "--proxies", "synflow", "--batch", "4", "--jobs", "1")
    done = run(*arguments, "--samples", "3", "-o", "s.csv")
    assert done.code == 0
    assert f"3 of {BETWEEN} candidates, drawn uniformly with seed 0" in done.stdout
    with (run.folder / "s.csv").open() as text:
        assert {row["candidate"] for row in csv.DictReader(text)} <= members
    assert "3 of 3 candidates are in s.csv already" in run(*arguments, "--samples", "3", "-o", "s.csv").stderr
    assert "all 14 candidates" in run(*arguments).stdout


def test_search_by_proxies(run: Run, file: str, members: set[str]) -> None:
    paper = ("--runtime", "ebs", "dtype=float32")
    search = ("search", file, *paper, "--sampler", "pareto", "--objectives", "macs:min,entropy", "--population", "4")
    found = json.loads(run(*search, "--trials", "99", "--json").stdout)
    assert (found["feasible"], found["feasible_at_least"], found["feasible_at_most"]) == (None, 5, 30)
    logged = [json.loads(line) for line in (run.folder / "mlp2-pareto-0.jsonl").read_text().splitlines()[1:]]
    assert sorted(trial["candidate"] for trial in logged) == sorted(members)
    assert f"from {BETWEEN} feasible of 64" in run(*search, "--trials", "99").stdout


def test_search_ranks_cells(run: Run) -> None:
    (run.folder / "tiny.yaml").write_text(CELLS)
    search = (
        "search",
        "tiny.yaml",
        "--sampler",
        "monas",
        "--trials",
        "8",
        "--jobs",
        "1",
        "--rom",
        "400",
        "--solver",
        "relaxed",
    )
    done = run(*search, "--json")
    found = json.loads(done.stdout)
    fs = nc.reduce(run.folder / "tiny.yaml", rom=400)
    assert found["best"][0]["candidate"] in fs
    assert found["feasible_at_least"] < len(fs) < found["feasible_at_most"]
    assert "8 networks measured, of between 32 and 53 feasible of 64" in run(*search).stdout


def test_search_trains_and_resumes_on_the_same_quanta(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (run.folder / "nine.yaml").write_text(SPACE.replace("M: [2, 4, 6]", "M: {start: 2, stop: 40}"))
    data_file(run.folder)
    quick = ("--data", "halves.npz", "--samples", "3", "--select", "2", "--epochs", "1", "--quantise", "none")
    done = run("search", *NINE, *quick)
    assert done.code == 0
    fs = RunFolder.open(run.folder / "nine-entropy-0").fs
    assert isinstance(fs, RelaxedSet)
    low, high = fs.between
    assert fs.quanta["rom"]
    assert low < high
    assert f"3 networks by entropy from between {low:,} and {high:,} feasible" in done.stdout
    monkeypatch.setattr(relaxed, "MEMORY", 1 << 29)
    again = run("resume", "nine-entropy-0", "--json")
    assert all(row["candidate"] in fs for row in json.loads(again.stdout)["networks"])
    assert RunFolder.open(run.folder / "nine-entropy-0").fs == fs
    other = run("search", *NINE, *quick)
    assert other.code == 2
    assert f"holds a run on another set: between {low:,} and {high:,} members of `nine`" in other.stderr
    evolution = run("search", *NINE, *quick, "--sampler", "evolution")
    assert evolution.code == 0


def test_auto_says_that_it_went_on_relaxed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise EngineError.of("too-large", "too large")

    monkeypatch.setattr("solvers.diagram.solve", refuse)
    monkeypatch.setattr("solvers.diagram.count", refuse)
    said = "too large to hold exactly, so the set is relaxed: rom rounded to multiples of 8,192\n"
    for command in (("count",), ("reduce", "--no-save"), ("sample", "-n", "2"), ("show", "-n", "1")):
        done = run(command[0], "mlp2", "--rom", "13600", *command[1:])
        assert done.code == 0
        assert said in done.stderr
    assert said not in run("count", *MLP2).stderr
    done = run("count", "mlp2", "--rom", "13600", "--solver", "diagram")
    assert (done.code, done.stdout) == (2, "")


def test_in_python() -> None:
    fs = nc.reduce("mlp2", rom=13_600, solver="relaxed")
    assert isinstance(fs, nc.RelaxedSet)
    assert fs.between == (5, 30)
    assert all(c in solve(fs.program) for c in fs.sample(5, seed=0))
