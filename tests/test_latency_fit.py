"""Fitting latency profiles: known models are found again, errors are honest, and bad files get one clear message."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import nascompile as nc
from nascompile.cli.latency import latency
from nascompile.latency.data import TERMS, Feature, Measurements, features, read_measurements
from nascompile.latency.fit import fit_profile, robust_terms
from spaces.costs.latency_profiles import load_profile
from spaces.costs.prices import LatencyError, OperatorPrices
from spaces.errors import NascompileError
from spaces.program.candidate import parse_candidate

SHARED = Path(__file__).parents[2] / "shared" / "data" / "mcu"
NRF = SHARED / "nrf5340_nb201.csv"
STM = SHARED / "stm32_anchors.csv"

KINDS = {"conv.macs": 42.5, "depthwise.macs": 90.25, "add.outputs": 1800.0, "conv.ops": 25_000.0}
CONSTANT = 5_000_000


def synthetic(model: dict[str, float], constant: float, seed: int, rows: int = 80, bad: int = 0) -> Measurements:
    """Networks of random sizes on an exactly additive device; `bad` of the rows are off by a factor of 0.5 to 3."""
    rng = np.random.default_rng(seed)
    names = [Feature(name.rpartition(".")[0], TERMS[name.rpartition(".")[2]]) for name in model]
    columns = {f: rng.integers(1, 100, rows) * {"mac": 10_000.0, "output": 1000.0, "op": 1.0}[f.term] for f in names}
    latency = sum((c * t for c, t in zip(columns.values(), model.values(), strict=True)), np.full(rows, constant))
    off = rng.choice(rows, bad, replace=False)
    latency[off] *= rng.choice([0.5, 0.6, 1.5, 2.0, 3.0], bad)
    return Measurements("a.csv", tuple(range(2, rows + 2)), ("",) * rows, latency, columns, np.arange(rows))


def write_csv(path: Path, data: Measurements, word: str = "latency_ms", unit: float = 1e6) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*map(str, data.features), word])
        for k in range(len(data.latency)):
            writer.writerow([*(int(c[k]) for c in data.features.values()), repr(float(data.latency[k]) / unit)])
    return path


def terms(profile: OperatorPrices) -> dict[str, float]:
    """Every term that is not 0, and the constant per network."""
    kinds = {**profile.kinds, **({"": profile.default} if profile.default else {})}
    amounts = {str(Feature(kind, t)): float(getattr(kinds[kind], t)) for kind in kinds for t in vars(kinds[kind])}
    return {"network": float(profile.network), **{name: amount for name, amount in amounts.items() if amount}}


# The fit


def test_an_additive_device_is_found_exactly_in_spite_of_gross_outliers() -> None:
    data = synthetic(KINDS, CONSTANT, seed=1, bad=4)
    fit = fit_profile(data, "mine")
    assert terms(fit.profile) == {**KINDS, "network": CONSTANT}
    assert (fit.errors.median, fit.rows, fit.folds) == (0, 80, 10)
    assert len(fit.outliers) == 4
    assert all(abs(o.percent) > 30 for o in fit.outliers)


@given(st.lists(st.integers(0, 10**4), min_size=4, max_size=4), st.integers(0, 10**7), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_random_models_are_found_again(amounts: list[int], constant: int, seed: int) -> None:
    if not any(amounts) and not constant:
        constant = 1
    data = synthetic(dict(zip(KINDS, map(float, amounts), strict=True)), constant, seed, bad=3)
    matrix = np.column_stack([*data.features.values(), np.ones(80)])
    found = robust_terms(matrix, data.latency)
    clean = matrix @ np.array([*amounts, constant], float)
    assert (found >= 0).all()
    assert np.abs(matrix @ found / clean - 1).max() < 1e-6


def test_terms_are_never_negative_even_where_that_would_fit_better() -> None:
    macs, outputs = np.arange(1.0, 51.0), np.arange(1.0, 51.0)[::-1] % 7
    matrix = np.column_stack([macs, outputs, np.ones(50)])
    found = robust_terms(matrix, 100 * macs - 3 * outputs)
    assert found[1] == 0
    assert (found >= 0).all()


def test_cross_validation_gives_the_same_again_and_depends_on_the_seed_alone() -> None:
    data = synthetic(KINDS, CONSTANT, seed=2, bad=4)
    noisy = Measurements(data.file, data.lines, data.labels, data.latency * (1 + np.sin(np.arange(80)) / 10),
                         data.features, data.groups)  # fmt: skip
    assert fit_profile(noisy, "a", seed=3).errors == fit_profile(noisy, "a", seed=3).errors
    assert fit_profile(noisy, "a", seed=3).errors != fit_profile(noisy, "a", seed=4).errors
    assert fit_profile(noisy, "a", seed=3).profile.kinds == fit_profile(noisy, "a", seed=4).profile.kinds


def test_rows_of_one_group_are_held_out_together() -> None:
    # 40 networks, each measured twice; ten of them have an operator of their own that takes nine times the rest.
    network = np.repeat(np.arange(40), 2)
    macs = np.repeat(np.random.default_rng(0).integers(100, 1000, 40) * 1000.0, 2)
    own = {Feature(f"own{k}", "op"): (network == k).astype(float) for k in range(10)}
    latency = macs * np.where(network < 10, 10.0, 1.0)

    def p90(groups: np.ndarray) -> float:
        columns = {Feature("conv", "mac"): macs, **own}
        data = Measurements("a.csv", tuple(range(80)), ("",) * 80, latency, columns, groups)
        return fit_profile(data, "a").errors.p90

    assert p90(np.arange(80)) < 1  # the other measurement of the same network gives it away
    assert p90(network) == pytest.approx(90, abs=1)


def test_features_that_cannot_be_told_apart_are_named() -> None:
    data = synthetic({"conv.macs": 2.0, "add.outputs": 3.0}, 10**6, seed=5)
    macs = data.features[Feature("conv", "mac")]
    more = {**data.features, Feature("conv", "output"): macs / 100, Feature("linear", "op"): np.ones(80)}
    fit = fit_profile(Measurements(data.file, data.lines, data.labels, data.latency, more, data.groups), "a")
    assert (fit.used, fit.constant, fit.dependent) == (
        (Feature("conv", "mac"), Feature("add", "output")),
        (Feature("linear", "op"),),
        (Feature("conv", "output"),),
    )
    # A kind in every row is covered, its time being in the constant.
    assert fit.profile.op_ns("linear", 10, 1) == 0


def test_without_scipy_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nascompile.latency.fit.find_spec", lambda name: None)
    with pytest.raises(LatencyError, match="pip install scipy"):
        fit_profile(synthetic({"macs": 3.0}, 1000, seed=1), "a")


def test_the_command_line_loads_no_scipy_before_it_fits() -> None:
    code = "import sys, nascompile.cli.latency; print([m for m in ('scipy', 'sklearn', 'torch') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_features_of_the_whole_network_become_the_default_terms() -> None:
    data = synthetic({"macs": 3.5, "ops": 20_000.0}, 10**6, seed=6)
    fit = fit_profile(data, "a")
    assert fit.profile.kinds == {}
    assert fit.profile.op_ns("anything", 2, 1) == 20_007


# Features of networks


def test_features_of_a_candidate_are_the_sums_over_its_operators() -> None:
    candidate = parse_candidate(nc.compile("dscnn"), "84-112-84-84-84-196")
    found = features(candidate)
    ops = [op for step in candidate.steps for op in step.ops]
    assert set(found) == {"conv", "depthwise", "pointwise", "global_avg_pool", "linear"}
    assert sum(macs for macs, _, _ in found.values()) == candidate.costs["macs"]
    assert found["depthwise"][2] == found["pointwise"][2] == 5
    assert found["conv"] == (ops[0].macs, ops[0].out.size, 1)


def test_networks_of_a_space_are_measured_by_their_own_operators(tmp_path: Path) -> None:
    program = nc.compile("dscnn")
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(40):
        widths = rng.integers(3, 11, 7) * 28
        text = "-".join(map(str, widths))
        f = features(parse_candidate(program, text))
        ns = 1000 + 40 * f["pointwise"][0] + 90 * f["depthwise"][0] + 50 * f["conv"][0] + 60 * f["linear"][0]
        rows.append(f"{text},{ns}")
    path = tmp_path / "m.csv"
    path.write_text("candidate,latency_ns\n" + "\n".join(rows) + "\n")
    fit = fit_profile(read_measurements(path, program), "mine")
    assert fit.errors.median < 0.1
    assert fit.errors.spearman > 0.999
    candidate = parse_candidate(program, "84-112-84-84-84-84-196")
    f = features(candidate)
    ns = 1000 + 40 * f["pointwise"][0] + 90 * f["depthwise"][0] + 50 * f["conv"][0] + 60 * f["linear"][0]
    total = fit.profile.network_ns + sum(fit.profile.layer_ns(s.ops, s.x.shape) for s in candidate.steps)
    assert total == pytest.approx(ns, rel=1e-3)


# Bad files


def mistakes(tmp_path: Path, text: str | bytes, space: str | None = None, group: str | None = None) -> list[str]:
    """`line: message [code] hint` of every mistake in a file of measurements."""
    path = tmp_path / "m.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(LatencyError) as caught:
        fit_profile(read_measurements(path, nc.compile(space) if space else None, group), "mine")
    assert all(d.span is None or d.span.file == str(path) for d in caught.value.diagnostics)
    return [f"{d.span.line if d.span else '-'}: {d.message} [{d.code}] {d.hint}" for d in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: the file has no measurements [no-rows] the first line names the columns"),
        ("macs,latency_ms\n", "1: the file has no measurements [no-rows]"),
        ("macs,latency_ms\n1,2\n3\n", "3: a row of 1 fields under 2 columns [ragged-row] the file is cut off here"),
        ("macs,latency_ms\n1,2,3\n3,4\n", "2: a row of 3 fields under 2 columns [ragged-row] quote fields that"),
        ('macs,latency_ms\n1,2\n"3,4\n', "3: not a CSV file: unexpected end of data [bad-csv] a quote is not closed"),
        ("macs;latency_ms\n1;2\n", "1: the columns are separated by `;` [wrong-separator] save the file with `,`"),
        ("macs,macs,latency_ms\n1,1,2\n", "1: the column `macs` is given twice [duplicate-column] keep one"),
        ("ops,n_ops,latency_ms\n1,1,2\n", "1: `n_ops` and `ops` [duplicate-column] keep one of both"),
        ("macs,time\n1,2\n", "1: there is no column with a latency [missing-column] name one of the columns latency_s"),
        ("macs,latency_ms,latency_s\n1,1,1\n", "1: several latencies: latency_ms, latency_s [several-latencies] keep"),
        ("size,latency_ms\n1,1\n", "1: there is no column that a latency could depend on [missing-column] add `macs`"),
        ("arch,latency_ms\n1,1\n", "1: the networks of column `arch` belong to no space [missing-space] name their"),
        ("macs,conv.macs,latency_ms\n1,1,1\n", "1: features of the whole network and of kinds: macs, conv.macs [mixed"),
        ("macs,latency_ms\nmany,1\n", "2: `macs` is `many`, not a number [not-a-number] write digits"),
        ("macs,latency_ms\n1,\n", "2: `latency_ms` is empty, not a number [not-a-number] write digits"),
        (
            "macs,latency_ms\n1,-3\n",
            "2: `latency_ms` is -3 [wrong-value] a latency lies between a nanosecond and a day",
        ),
        ("macs,latency_ms\n1,0\n", "2: `latency_ms` is 0 [wrong-value] a latency lies between"),
        ("macs,latency_ms\n1,nan\n", "2: `latency_ms` is nan [wrong-value] a latency lies between"),
        ("macs,latency_s\n1,1e9\n", "2: `latency_s` is 1e9 [wrong-value] a latency lies between"),
        ("macs,latency_ms\n-1,1\n", "2: `macs` is -1 [wrong-value] a count is a whole number from 0"),
        ("macs,latency_ms\n7.5,1\n", "2: `macs` is 7.5 [wrong-value] a count is a whole number from 0"),
        ("macs,latency_ms\n1,1\n2,2\n", "3: 2 rows are too few for 2 terms [too-few-rows] measure at least 10"),
        ("macs,latency_ms\n" + "1,1\n" * 12, "13: 12 rows, 1 of them different, are too few for 2 terms [too-few"),
    ],
)
def test_a_bad_file_gets_one_clear_message(tmp_path: Path, text: str, expected: str) -> None:
    (found,) = mistakes(tmp_path, text)
    assert found.startswith(expected)
    assert not found.endswith("] ")


def test_too_few_rows_says_how_many_are_needed(tmp_path: Path) -> None:
    data = synthetic(KINDS, CONSTANT, seed=7, rows=12)
    write_csv(tmp_path / "x.csv", data)
    (found,) = mistakes(tmp_path, (tmp_path / "x.csv").read_text())
    assert "12 rows are too few for 5 terms [too-few-rows] measure at least 15 different networks (3 more)" in found


def test_columns_without_variation_are_named(tmp_path: Path) -> None:
    text = "id,macs,latency_ms\n" + "".join(f"{k},7,{k + 1}\n" for k in range(20))
    (found,) = mistakes(tmp_path, text, group="id")
    assert found.startswith("1: nothing varies: `macs` is the same in every row [constant-features] measure networks")


def test_a_missing_group_column_is_near_another(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, "model,macs,latency_ms\na,1,1\n", group="modell")
    assert found == "1: there is no column `modell` to group by [missing-column] did you mean `model`?"


def test_candidates_are_checked_row_by_row(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "candidate,latency_ms\n84-84,1\n84-84-84-84-84-85,1\n", space="dscnn")
    assert [f[:3] for f in found] == ["2: ", "3: "]
    assert all("[bad-candidate]" in f for f in found)
    (missing,) = mistakes(tmp_path, "macs,latency_ms\n1,1\n", space="dscnn")
    assert missing.startswith("1: there is no column with networks of `dscnn` [missing-column] name it `candidate`")


def test_many_mistakes_are_counted_not_all_shown(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "macs,latency_ms\n" + "x,1\n" * 30)
    assert len(found) == 21
    assert "10 more mistakes" in found[-1]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, b"macs,latency_ms\n\xff,1\n")
    assert found.startswith("1: not a UTF-8 text file (byte 16) [not-utf8] save")
    with pytest.raises(LatencyError, match=r"cannot read the file: No such file .*\n  check the path"):
        read_measurements(tmp_path / "missing.csv")


def test_a_byte_order_mark_and_empty_lines_do_no_harm(tmp_path: Path) -> None:
    data = synthetic({"macs": 3.0}, 1000, seed=8)
    text = write_csv(tmp_path / "m.csv", data).read_text().replace("\n", "\n\n")
    (tmp_path / "m.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    again = read_measurements(tmp_path / "m.csv")
    assert again.latency == pytest.approx(data.latency)
    assert again.lines[:2] == (3, 5)


# The command line


def run(*arguments: str | Path) -> str:
    """The output of `nascompile latency ...`; raises what it raises."""
    result = CliRunner().invoke(latency, list(map(str, arguments)))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_fit_writes_a_profile_that_can_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "m.csv", synthetic(KINDS, CONSTANT, seed=9, bad=3))
    told = json.loads(run("fit", "m.csv", "--name", "mine", "--clock", "100MHz", "--core", "Cortex-M4F", "--json"))
    profile = load_profile("mine.yaml") if Path("mine.yaml").exists() else None
    assert profile is not None
    assert (profile.name, profile.clock_hz, profile.core, profile.source) == ("mine", 10**8, "Cortex-M4F", "m.csv")
    assert told["errors"]["median"] == profile.error.median == 0  # type: ignore[union-attr]
    assert told["macs_alone"]["median"] > 1
    assert len(told["outliers"]) == 3
    assert json.loads(run("show", "./mine.yaml", "--json"))["kinds"]["conv"]["mac"] == 42.5
    assert run("show", "./mine.yaml") == Path("mine.yaml").read_text()


def test_an_existing_file_is_only_overwritten_by_force(tmp_path: Path) -> None:
    write_csv(tmp_path / "m.csv", synthetic({"macs": 3.0}, 1000, seed=9))
    target = tmp_path / "out.yaml"
    target.write_text("precious")
    with pytest.raises(NascompileError, match="is there already") as caught:
        run("fit", tmp_path / "m.csv", "--name", "mine", "-o", target)
    assert "--force" in caught.value.diagnostics[0].hint
    assert target.read_text() == "precious"
    assert "MACs alone" in " ".join(run("fit", tmp_path / "m.csv", "--name", "mine", "-o", target, "--force").split())
    assert load_profile(target).op_ns("conv", 10, 1) == 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "../x"], "`../x` is not a name"),
        (["--name", "x", "--dtype", "int4"], "there is no data type `int4`"),
        (["--name", "x", "--clock", "fast"], "`fast` is not a clock rate"),
        (["--name", "x", "--space", "nowhere"], "there is no space `nowhere`"),
    ],
)
def test_bad_options_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "m.csv", synthetic({"macs": 3.0}, 1000, seed=9))
    with pytest.raises(NascompileError, match=message.replace("`", ".")):
        run("fit", "m.csv", *arguments)
    assert [p.name for p in tmp_path.iterdir()] == ["m.csv"]


def test_list_names_every_profile_and_its_error() -> None:
    told = {row["name"]: row for row in json.loads(run("list", "--json"))}
    assert told["nrf5340"]["error"]["median"] < 5
    assert "stm32h747" in run("list")


# Measured boards


@pytest.fixture(scope="module")
def cells() -> Measurements:
    if not NRF.exists():
        pytest.skip("needs ../shared/data/mcu")
    return read_measurements(NRF, nc.compile("nasbench201"))


def test_held_out_cells_on_the_nrf5340_are_predicted_within_5_percent(cells: Measurements) -> None:
    fit = fit_profile(cells, "nrf5340")
    assert (fit.rows, fit.groups) == (110, 99)
    assert fit.errors.median <= 5
    assert fit.errors.p90 <= 5
    assert fit.errors.spearman >= 0.98
    assert fit.baseline is not None
    assert fit.baseline.median > 10
    # The shipped profile is this very fit.
    shipped = load_profile("nrf5340")
    assert shipped.error is not None
    assert (shipped.error.median, shipped.error.spearman) == pytest.approx(
        (fit.errors.median, fit.errors.spearman), 0.1
    )
    assert terms(shipped) == pytest.approx(terms(fit.profile), rel=1e-3)
    # Power differs by kind of operator: energies of their own are closer than latencies times one power.
    assert fit.energy is not None
    assert fit.power is not None
    assert 2 * fit.energy.median < fit.power.median < 2
    assert shipped.energy is not None
    assert fit.profile.energy is not None
    assert shipped.energy.error == fit.profile.energy.error
    assert terms(shipped.energy) == pytest.approx(terms(fit.profile.energy), rel=1e-3)


def test_the_number_of_operators_on_the_device_is_that_of_the_deployed_models(cells: Measurements) -> None:
    with NRF.open(newline="") as file:
        published = np.array([int(row["operators"]) for row in csv.DictReader(file)])
    # The file also counts a softmax.
    ours = 1 + sum(counts for feature, counts in cells.features.items() if feature.term == "op")
    connected = cells.features[Feature("zeros", "op")] == 0
    more = (published - ours)[connected]
    assert len(more) == 107
    # A norm behind an operator without weights is two operators there, a product and a sum.
    assert sorted(set(more)) == [0, 1]


@pytest.mark.skipif(not STM.exists(), reason="needs ../shared/data/mcu")
def test_the_stm32h747_profile_beats_macs_alone_on_held_out_network_families() -> None:
    fit = fit_profile(read_measurements(STM, group="n_ops"), "stm32h747")
    assert fit.baseline is not None
    assert fit.errors.median < 15 < 25 < fit.baseline.median
    assert fit.errors.spearman > fit.baseline.spearman
    shipped = load_profile("stm32h747")
    assert terms(shipped) == pytest.approx(terms(fit.profile), rel=1e-3)
