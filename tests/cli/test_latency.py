"""Latency profiles and latency budgets on the command line.

The two-layer MLP takes under MINE what four terms say: 18 a + a b + 12 b multiply-accumulates, a + b + 12 outputs and
three operators for widths a and b.
"""

from __future__ import annotations

import csv
import io
import json
import os
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest

import nascompile as nc
from solvers.base import SOLVERS
from spaces.costs.latency_profiles import load_profile
from spaces.program.candidate import parse_candidate
from spaces.runtimes.kernels import layer_calls
from tests.cli.conftest import Run

MINE = "name: mine\ndtype: int8\nnetwork: 5000\ndefault: {mac: 2.5, output: 3, op: 1000}\n"
WIDTHS = range(16, 129, 16)


def mine_ns(a: int, b: int) -> int:
    """The latency of `mlp2: a-b`; a half nanosecond is rounded up operator by operator."""
    macs, outputs = (18 * a, a * b, 12 * b), (a, b, 12)
    return 5000 + sum((5 * m + 1) // 2 + 3 * o + 1000 for m, o in zip(macs, outputs, strict=True))


def fitting(bound: int) -> list[str]:
    return [f"mlp2: {a}-{b}" for a, b in product(WIDTHS, WIDTHS) if mine_ns(a, b) <= bound]


@pytest.fixture
def mine(run: Run) -> list[str]:
    """Options that give mlp2 a profile of its own."""
    (run.folder / "mine.yaml").write_text(MINE)
    return ["dtype=int8", "--latency-profile", "mine.yaml"]


@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
def test_count_is_that_of_the_closed_form(solver: str, run: Run, mine: list[str]) -> None:
    count = len(fitting(20_000))
    assert 0 < count < 64
    assert run("count", "mlp2", *mine, "--latency", "20us", "--solver", solver) == (
        0, f"{count}\n", "counting int8 networks by ebs\n",
    )  # fmt: skip


def test_a_constraint_of_the_space_says_the_same(run: Run, mine: list[str]) -> None:
    text = "extends: mlp2\nspace: timed\nconstraints:\n  - latency <= 20 us\n"
    (run.folder / "timed.yaml").write_text(text)
    assert run("count", "timed.yaml", *mine)[1] == f"{len(fitting(20_000))}\n"


def test_reduce_names_the_profile_and_its_error(run: Run) -> None:
    code, out, _ = run("reduce", "dscnn", "dtype=int8", "--mcu", "stm32f746", "--latency", "100ms", "--no-save")
    assert code == 0
    assert "latency <= 100 ms" in out
    assert "estimates by the profile x-cube-ai-m7@216MHz (of x-cube-ai 8.1 on 1 board): median error" in out
    data = json.loads(
        run("reduce", "dscnn", "dtype=int8", "--mcu", "stm32f746", "--latency", "100ms", "--no-save", "--json")[1]
    )
    assert data["budgets"]["latency"] == 100_000_000
    assert data["latency_profile"]["error"]["rows"] == 4
    assert 0 < data["count"] < data["size"]


def test_check_splits_the_latency_by_layer(run: Run, mine: list[str]) -> None:
    code, out, _ = run("check", "mlp2", "32-16", *mine, "--latency", "11us", "--json")
    data = json.loads(out)
    assert code == 1
    assert [layer["latency"] for layer in data["layers"]] == [2536, 2328, 1516]
    assert data["costs"]["latency"] == 2536 + 2328 + 1516 + 5000 == mine_ns(32, 16)
    assert data["limits"] == [{"limit": "latency", "budget": 11_000, "value": 11_380, "over": 380}]
    assert "0.38 us over" in run("check", "mlp2", "32-16", *mine, "--latency", "11us")[1]
    assert run("check", "mlp2", "32-16", *mine, "--latency", "11.38us")[0] == 0


def test_auto_takes_the_mcus_profile_without_a_limit(run: Run) -> None:
    check = ("check", "mlp2", "32-16", "dtype=int8", "--mcu", "stm32f746", "--json")
    assert "latency" not in json.loads(run(*check)[1])["costs"]
    data = json.loads(run(*check, "--latency-profile", "auto")[1])
    assert data["latency_profile"]["name"] == "x-cube-ai-m7@216MHz"
    assert data["costs"]["latency"] > 0
    assert [limit["limit"] for limit in data["limits"]] == ["rom", "ram"]


def test_the_set_file_keeps_the_profile(run: Run, mine: list[str]) -> None:
    assert run("reduce", "mlp2", *mine, "--latency", "20us", "-o", "a.nasset")[0] == 0
    (run.folder / "mine.yaml").unlink()
    fs = nc.load_set(run.folder / "a.nasset")
    assert [str(c) for c in fs] == fitting(20_000)
    assert fs.best("latency", "min").costs["latency"] == mine_ns(16, 16)
    code, out, err = run("show", "a.nasset", "--top", "latency", "-n", "3", "--verify")
    assert code == 0
    assert "verified" in err
    assert "latency <= 20 us" in out


def test_a_profile_at_another_clock_survives_a_set_file_exactly(run: Run) -> None:
    arguments = ("dtype=int8", "--mcu", "stm32f746", "--latency", "100ms")
    run("reduce", "dscnn", *arguments, "-o", "a.nasset")
    code, out, _ = run("show", "a.nasset", "--least", "latency", "-n", "2", "--verify", "--json")
    data = json.loads(out)
    assert (code, data["verified"], data["latency_profile"]["name"]) == (0, True, "x-cube-ai-m7@216MHz")
    made = nc.reduce("dscnn", mcu="stm32f746", latency="100ms", overrides=["dtype=int8"])
    assert nc.load_set(run.folder / "a.nasset").program.latency == made.program.latency
    assert [m["latency"] for m in data["members"]] == [c.costs["latency"] for c in made.top("latency", 2, "min")]


def test_show_and_export_have_a_latency_column_where_there_is_a_profile(run: Run, mine: list[str]) -> None:
    run("reduce", "mlp2", *mine, "--latency", "20us", "-o", "a.nasset")
    header = next(row for row in run("show", "a.nasset")[1].splitlines() if row.startswith("candidate"))
    assert "latency" in header
    rows = list(csv.DictReader(io.StringIO(run("export", "a.nasset")[1])))
    for row in rows:
        a, b = map(int, row["candidate"].removeprefix("mlp2: ").split("-"))
        assert int(row["latency"]) == mine_ns(a, b)
    assert json.loads(run("export", "a.nasset", "-f", "json")[1])[4]["latency"] == int(rows[4]["latency"])
    run("export", "a.nasset", "-o", "a.npz")
    assert np.load(run.folder / "a.npz")["latency"].tolist() == [int(row["latency"]) for row in rows]
    assert "latency" not in run("show", "mlp2")[1]
    assert "latency" not in run("export", "mlp2", "-n", "1")[1]
    code, _, err = run("show", "mlp2", "--top", "latency")
    assert code == 2
    assert "there is no metric `latency` here" in err
    assert "--latency-profile" in err


def test_explain_offers_a_budget_in_readable_units(run: Run, mine: list[str]) -> None:
    code, out, _ = run("explain", "mlp2", *mine, "--latency", "9us")
    text = " ".join(out.split())
    assert code == 1
    assert f"raising latency from 9 us to {mine_ns(16, 16) / 1000:g} us admits mlp2: 16-16" in text
    assert "latency 9 us" in text
    assert run("explain", "mlp2", *mine, "--latency", "1ms")[0] == 0


def test_diff_takes_a_latency_and_tells_both_sides(run: Run, mine: list[str]) -> None:
    arguments = ("diff", "dscnn", "dtype=int8", "--mcu", "stm32f746", "--mcu", "stm32h743", "--latency", "100ms")
    code, out, _ = run(*arguments)
    assert code == 1
    assert out.count("latency <= 100 ms") == 2
    assert "x-cube-ai-m7@216MHz" in out
    assert "x-cube-ai-m7@480MHz" in out
    counts = json.loads(run(*arguments, "--json")[1])["counts"]
    assert 0 < counts["stm32f746"] == counts["both"] < counts["stm32h743"]
    run("reduce", "mlp2", *mine, "--latency", "20us", "-o", "a.nasset")
    run("reduce", "mlp2", *mine, "--latency", "30us", "-o", "b.nasset")
    code, out, _ = run("diff", "a.nasset", "b.nasset", "--json")
    expected = {"both": len(fitting(20_000)), "only a.nasset": 0, "only b.nasset": len(fitting(30_000))}
    expected["only b.nasset"] -= expected["both"]
    assert {name: json.loads(out)["counts"][name] for name in expected} == expected
    assert run("diff", "a.nasset", "b.nasset", "--latency", "1ms")[0] == 2


@pytest.mark.parametrize("stage", ["document", "program", "cpsat", "mzn", "dot"])
def test_compile_emits_every_stage_under_a_latency_budget(stage: str, run: Run, mine: list[str]) -> None:
    code, out, err = run("compile", "mlp2", *mine, "--latency", "20us", "--emit", stage)
    assert (code, err) == (0, "")
    if stage == "program":
        assert "limit latency <= 20000" in out
    if stage == "mzn":
        assert "constraint 5000 + 'latency 1' + 'latency 2' <= 20000;" in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--latency", "20us"], "the latency budget needs a latency profile, and there is none for this target"),
        (["--latency", "20us", "--mcu", "esp32"], "and there is none for `esp32`"),
        (["--latency-runtime", "hale"], "no MCU is given"),
        (["--latency-runtime", "cube", "--mcu", "rp2040"], "there is no latency profile of a runtime `cube`"),
        (["--latency-runtime", "x-cube-ai", "--mcu", "rp2040"], "`x-cube-ai` was not measured on a Cortex-M0+"),
        (["--latency", "20us", "--latency-profile", "nosuch"], "there is no latency profile `nosuch`"),
        (["--latency", "20us", "--latency-profile", "no/such.yaml"], "no/such.yaml"),
        (["--latency", "20"], "latency: `20`"),
        (["--latency", "20kB"], "latency: "),
        (["--latency", "20us", "--latency-profile", "mine.yaml", "dtype=float32"], "is of int8 networks, and `mlp2`"),
        (["--latency", "20us", "--latency-profile", "broken.yaml"], "broken.yaml:4:16"),
    ],
)
def test_mistakes_have_one_message_and_exit_2(arguments: list[str], expected: str, run: Run, mine: list[str]) -> None:
    (run.folder / "broken.yaml").write_text(MINE.replace("2.5", "-1"))
    own = [] if any(a.startswith("dtype") for a in arguments) else ["dtype=int8"]
    code, out, err = run("count", "mlp2", *own, *arguments)
    assert (code, out) == (2, "")
    assert expected in err
    assert "Traceback" not in err


def test_an_operator_that_a_profile_does_not_cover_is_named(run: Run) -> None:
    (run.folder / "conv.yaml").write_text("name: c\ndtype: int8\nkinds: {conv: {mac: 2}}\n")
    code, _, err = run("count", "mlp2", "dtype=int8", "--latency", "1ms", "--latency-profile", "conv.yaml")
    assert code == 2
    assert "the latency profile `c` has no operator kind `linear`" in err


def measured(folder: Path) -> Path:
    """Measurements of mlp2's networks as MINE has them."""
    rows = [f"{a}-{b},{mine_ns(a, b)}" for a, b in product(WIDTHS, WIDTHS)]
    path = folder / "measured.csv"
    path.write_text("\n".join(["candidate,latency_ns", *rows]) + "\n")
    return path


def test_a_fitted_profile_can_be_shown_and_limits_a_space(run: Run) -> None:
    measured(run.folder)
    fit = ("latency", "fit", "measured.csv", "--name", "board", "--space", "mlp2", "--clock", "64MHz")
    code, out, err = run(*fit)
    assert (code, "written: board.yaml" in err) == (0, True)
    assert "linear" in out
    profile = load_profile(run.folder / "board.yaml")
    assert profile.error is not None
    assert profile.error.median < 0.01
    assert run("latency", "show", "./board.yaml")[1] == (run.folder / "board.yaml").read_text()
    assert json.loads(run("latency", "show", "board.yaml", "--json")[1])["clock_hz"] == 64_000_000
    # Half-way between two networks, so that rounding in the fit does not matter.
    times = sorted({mine_ns(a, b) for a, b in product(WIDTHS, WIDTHS)})
    bound = next((one + other) // 2 for one, other in pairwise(times[20:]) if other - one > 50)
    limited = ("count", "mlp2", "dtype=int8", "--latency-profile", "board.yaml", "--latency", f"{bound / 1000}us")
    assert run(*limited)[1] == f"{len(fitting(bound))}\n"
    assert run(*fit)[0] == 2


def test_a_name_that_looks_scaled_is_refused(run: Run) -> None:
    measured(run.folder)
    code, _, err = run("latency", "fit", "measured.csv", "--name", "m7@216MHz", "--space", "mlp2")
    assert code == 2
    assert "`m7@216MHz` is not a name" in err


def test_list_names_the_library(run: Run) -> None:
    found = {p["name"]: p["unit"] for p in json.loads(run("latency", "list", "--json")[1])}
    ours = {"nascompile-c-m4-int8": "instructions", "nascompile-c-m4-int8-cycles": "estimated cycles"}
    wanted = {**ours, "nrf5340": "ns", "stm32h747": "ns"}
    assert {name: found[name] for name in wanted} == wanted
    assert "nrf5340" in run("latency", "list")[1]


def test_our_own_c_is_a_profile_of_estimated_cycles(run: Run) -> None:
    limit = ("dscnn", "dtype=int8", "--mcu", "stm32f412", "--latency", "500ms", "--no-save")
    code, out, _ = run("reduce", *limit, "--latency-profile", "nascompile-c")
    assert code == 0
    assert "profile nascompile-c-m4-int8-cycles@100MHz" in out
    assert "held-out operators in estimated cycles, no wait states" in out
    m7 = ("check", "mlp2", "16-16", "dtype=int8", "--mcu", "stm32f746", "--latency-profile", "nascompile-c")
    assert "instructions, each taken as one cycle" in run(*m7)[1]
    # It is the default with the runtime that it belongs to.
    assert "nascompile-c-m4-int8-cycles@100MHz" in run("reduce", *limit, "--runtime", "nascompile-c")[1]
    checked = ("check", "dscnn", "84-84-84-84-84-84", "dtype=int8", "--mcu", "stm32f412", "--json")
    data = json.loads(run(*checked, "--latency-profile", "nascompile-c")[1])
    profile = load_profile("nascompile-c-m4-int8-cycles")
    steps = parse_candidate(nc.compile("dscnn", overrides=["dtype=int8"]), "84-84-84-84-84-84").steps
    amounts = [profile.call_amount(c) for s in steps for c in layer_calls(s.ops, s.x.shape, "int8", "simd")]
    # 10 ns each, rounded once per kernel.
    assert abs(data["costs"]["latency"] - 10 * float(sum(amounts))) <= len(amounts)
    assert "one with --mcu" in run("count", "dscnn", "dtype=int8", "--latency-profile", "nascompile-c")[2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "measured.csv:1:1: the file has no measurements"),
        ("macs,latency_ms\n1,2\n3\n", "measured.csv:3:1: a row of 1 fields under 2 columns"),
        ("macs,latency_ms\n1,fast\n", "`latency_ms` is `fast`, not a number"),
        ("macs,time\n1,2\n", "there is no column with a latency"),
        ("candidate,latency_ms\n16-16,2\n", "the networks of column `candidate` belong to no space"),
    ],
)
def test_a_bad_csv_writes_nothing(text: str, expected: str, run: Run) -> None:
    (run.folder / "measured.csv").write_text(text)
    code, out, err = run("latency", "fit", "measured.csv", "--name", "board")
    assert (code, out) == (2, "")
    assert expected in err
    assert os.listdir(run.folder) == ["measured.csv"]


CALIBRATE = ("latency", "calibrate", "x-cube-ai-m33")
BOARD = ("--mcu", "stm32u585", "--name", "my-board")


def test_one_network_moves_a_profile_to_a_board_and_several_tell_kinds_apart(run: Run) -> None:
    """Of a board twice as slow all networks are nearly predicted by one; kinds that none has go along."""
    check = ("check", "mlperf_ic", "", "--mcu", "stm32u585", "--json", "--latency-profile")
    before = json.loads(run(*check, "x-cube-ai-m33")[1])["costs"]["latency"]
    kws = json.loads(run("check", "mlperf_kws", "", *check[3:], "x-cube-ai-m33")[1])["costs"]["latency"]
    code, out, _ = run(*CALIBRATE, *BOARD, "--measured", f"mlperf_kws={2 * kws / 1e6}ms", "--json")
    assert code == 0
    assert json.loads(out)["factor"] == pytest.approx(2, rel=0.1)
    assert json.loads(run(*check, "my-board.yaml")[1])["costs"]["latency"] == pytest.approx(2 * before, rel=0.15)
    both = ("--measured", f"mlperf_kws={round(1.2 * kws) / 1e6}ms", "--measured", f"mlperf_ic={before / 1e6}ms")
    found = json.loads(run(*CALIBRATE, *BOARD, *both, "--force", "--json")[1])
    times = {row["network"]: (row["measured_ns"], row["before_ns"], row["after_ns"]) for row in found["measured"]}
    assert all(abs(after - real) <= abs(old - real) + 0.1 * real for real, old, after in times.values())
    assert times["mlperf_kws"][2] / times["mlperf_kws"][1] > times["mlperf_ic"][2] / times["mlperf_ic"][1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--measured", "mlperf_kws=0ms"], "mlperf_kws: `0ms` is not above zero"),
        (["--measured", "mlperf_kws=-3ms"], "mlperf_kws: "),
        (["--measured", "mlperf_kws"], "is no network and its latency"),
        (["--measured", "dscnn=43ms"], "`dscnn` has 19,136,512 networks"),
        (["--measured", "dscnn 84-84-84-84-84-84=43ms"], "computes in float32"),
        (["--measured", "mlperf_ic=40s"], "times what the profile says of it"),
        (["--measured", "mlperf_kws=40ms", "--measured", "mlperf_ic=400ms"], "contradict each other"),
    ],
)
def test_a_measurement_that_cannot_be_has_one_message(arguments: list[str], expected: str, run: Run) -> None:
    code, out, err = run(*CALIBRATE, *BOARD, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert expected in err
    assert not (run.folder / "my-board.yaml").exists()


def test_a_board_without_a_clock_is_asked_for_it(run: Run) -> None:
    assert "give --clock 160MHz, or --mcu" in run(*CALIBRATE, "--measured", "mlperf_kws=40ms")[2]


# Energy


WITH_ENERGY = MINE + "energy:\n  network: 700\n  default: {mac: 0.5, op: 100}\n"


def mine_nj(a: int, b: int) -> int:
    """The energy of `mlp2: a-b`."""
    return 700 + sum((m + 1) // 2 + 100 for m in (18 * a, a * b, 12 * b))


def test_energy_is_a_cost_as_latency_is(run: Run) -> None:
    (run.folder / "mine.yaml").write_text(WITH_ENERGY)
    given = ["dtype=int8", "--latency-profile", "mine.yaml"]
    keep = [f"mlp2: {a}-{b}" for a, b in product(WIDTHS, WIDTHS) if mine_nj(a, b) <= 3000]
    assert 0 < len(keep) < 64
    assert run("count", "mlp2", *given, "--energy", "3uJ")[1] == f"{len(keep)}\n"
    (run.folder / "timed.yaml").write_text("extends: mlp2\nspace: timed\nconstraints: [energy <= 3 uJ]\n")
    assert run("count", "timed.yaml", *given)[1] == f"{len(keep)}\n"
    code, out, _ = run("reduce", "mlp2", *given, "--energy", "0.003 mJ", "-o", "a.nasset")
    assert (code, "energy <= 3 uJ" in out) == (0, True)
    assert "energies are estimates by the profile mine: no stated error" in out
    (run.folder / "mine.yaml").unlink()
    assert [str(c) for c in nc.load_set(run.folder / "a.nasset")] == keep
    told = json.loads(run("show", "a.nasset", "--least", "energy", "-n", "1", "--verify", "--json")[1])
    assert (told["verified"], told["members"][0]["energy"]) == (True, mine_nj(16, 16))
    rows = list(csv.DictReader(io.StringIO(run("export", "a.nasset")[1])))
    assert int(rows[0]["energy"]) == mine_nj(16, 16)
    assert "energy" in run("sample", "a.nasset", "-n", "1", "--json")[1]


def test_check_and_explain_have_energies(run: Run) -> None:
    (run.folder / "mine.yaml").write_text(WITH_ENERGY)
    given = ["dtype=int8", "--latency-profile", "mine.yaml", "--energy", "1.1uJ"]
    code, out, _ = run("check", "mlp2", "32-16", *given, "--json")
    data = json.loads(out)
    assert (code, data["costs"]["energy"]) == (1, mine_nj(32, 16))
    assert data["limits"] == [{"limit": "energy", "budget": 1100, "value": 1640, "over": 540}]
    assert "0.54 uJ over" in run("check", "mlp2", "32-16", *given)[1]
    code, out, _ = run("explain", "mlp2", *given)
    assert (code, "raise energy from 1.1 uJ to 1.368 uJ" in out.replace("raising", "raise")) == (1, True)
    assert "--energy 1.368uJ" in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--mcu", "stm32f746"], "the latency profile `x-cube-ai-m7@216MHz` has none"),
        ([], "there are none for this target"),
        (["--mcu", "nrf5340", "--latency-runtime", "hale"], "the latency profile `hale-m33@128MHz` has none"),
    ],
)
def test_without_energies_those_who_have_are_named(arguments: list[str], expected: str, run: Run) -> None:
    code, _, err = run("count", "nasbench201", "dtype=int8", "--energy", "5mJ", *arguments)
    assert (code, expected in err, "profiles with energies: nrf5340" in err) == (2, True, True)


def test_measured_power_becomes_energies(run: Run) -> None:
    rows = ["macs,latency_ms,power_mW", *(f"{m},{2e-6 * m + 1},{10}" for m in range(1000, 400_000, 9000))]
    (run.folder / "m.csv").write_text("\n".join(rows) + "\n")
    data = json.loads(run("latency", "fit", "m.csv", "--name", "m", "--json")[1])
    # 10 mW for 2 ns a product, and a millisecond besides.
    assert data["profile"]["energy"]["default"]["mac"] == pytest.approx(0.02, rel=1e-3)
    assert data["profile"]["energy"]["network"] == pytest.approx(10_000, rel=1e-3)
    assert data["energy_errors"]["median"] == data["energy_by_one_power"]["median"] == 0
    (run.folder / "bad.csv").write_text("\n".join([*rows[:12], "5000,1,0", *rows[12:]]) + "\n")
    code, _, err = run("latency", "fit", "bad.csv", "--name", "m2")
    assert (code, "bad.csv:13:1" in err, "`power_mW` is 0" in err) == (2, True, True)
