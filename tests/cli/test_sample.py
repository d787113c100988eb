"""`nascompile sample`: one candidate per line, from any sampler, going on from call to call."""

from __future__ import annotations

import functools
import json
import operator
import os

import pytest

import nascompile as nc
from samplers.registry import SAMPLERS
from tests.cli.conftest import Run

SMALL = ("mlp2", "--rom", "13600")


def lines(run: Run, *arguments: str) -> list[str]:
    code, out, _ = run("sample", *arguments)
    assert code == 0
    return out.splitlines()


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_gives_members_by_its_seed(name: str, run: Run) -> None:
    fs = nc.reduce("mlp2", rom=13_600)
    drawn = lines(run, *SMALL, "-n", "6", "--sampler", name, "--seed", "4")
    assert len(set(drawn)) == 6
    assert all(line in fs for line in drawn)
    assert lines(run, *SMALL, "-n", "6", "--sampler", name, "--seed", "4") == drawn


def test_lines_are_what_check_reads(run: Run) -> None:
    for line in lines(run, "dscnn", "--mcu", "stm32f412", "-n", "4"):
        assert run("check", "dscnn", line, "--mcu", "stm32f412")[0] == 0


def test_a_cell_has_its_index(run: Run) -> None:
    code, out, _ = run("sample", "nasbench201", "--mcu", "stm32f746", "-n", "1", "--sampler", "uniform", "--json")
    (cell,) = json.loads(out)["members"]
    code, out, _ = run("check", "nasbench201", str(cell["index"]), "--mcu", "stm32f746", "--json")
    assert code == 0
    assert json.loads(out)["candidate"] == cell["candidate"]


def test_a_set_file_and_its_space_give_the_same(run: Run) -> None:
    run("reduce", *SMALL, "--out", "small.nasset")
    assert lines(run, "small.nasset", "-n", "5", "--seed", "1") == lines(run, *SMALL, "-n", "5", "--seed", "1")
    code, _, err = run("sample", "small.nasset", "--rom", "1MiB")
    assert code == 2
    assert "--rom cannot change a set that is already made" in err


def test_json_has_the_costs(run: Run) -> None:
    code, out, _ = run("sample", *SMALL, "-n", "3", "--clusters", "5", "--p", "0.25", "--json")
    data = json.loads(out)
    fs = nc.reduce("mlp2", rom=13_600)
    assert code == 0
    assert (data["space"], data["count"], data["asked"], data["left"]) == ("mlp2", 14, 3, 11)
    assert data["sampler"] == {
        "name": "entropy",
        "parameters": {"clusters": 5, "p": 0.25, "method": "auto", "bins": 2048, "seed": 0},
    }
    for member in data["members"]:
        assert {name: member[name] for name in ("rom", "macs", "entropy")} == {
            name: fs[fs.index(member["candidate"])].costs[name] for name in ("rom", "macs", "entropy")
        }
    assert lines(run, *SMALL, "-n", "3", "--clusters", "5", "--p", "0.25") == [m["candidate"] for m in data["members"]]


def test_fewer_members_than_asked_for(run: Run) -> None:
    code, out, err = run("sample", *SMALL)
    assert code == 0
    assert len(set(out.splitlines())) == 14
    assert "14 instead of 40: all 14 members have been given" in err


def test_an_empty_set_is_one_message(run: Run) -> None:
    code, out, err = run("sample", "mlp2", "--rom", "1")
    assert (code, out) == (2, "")
    assert "no network of `mlp2` fits (rom <= 1), so there is nothing to sample" in err


@pytest.mark.parametrize("name", ["uniform", "entropy", "tpe"])
def test_a_state_goes_on_where_it_stood(name: str, run: Run) -> None:
    """Three calls with a state give what one call for all of them gives; then there is no more."""
    common = (*SMALL, "--sampler", name, "--seed", "2")
    whole = lines(run, *common, "-n", "14")
    parts = [lines(run, *common, "-n", n, "--state", "s.json") for n in ("3", "4", "7")]
    assert functools.reduce(operator.iadd, parts, []) == whole
    code, out, err = run("sample", *common, "-n", "5", "--state", "s.json")
    assert (code, out) == (0, "")
    assert "0 instead of 5: all 14 members have been given, 14 of them earlier" in err
    assert sorted(p.name for p in run.folder.iterdir()) == ["s.json"]


def test_a_state_of_something_else_is_refused(run: Run) -> None:
    lines(run, *SMALL, "-n", "3", "--state", "s.json")
    before = (run.folder / "s.json").read_bytes()
    for arguments, text in (
        ((*SMALL, "--seed", "1"), "of other parameters: `seed` is 0 there, 1 here"),
        ((*SMALL, "--sampler", "uniform"), "of another sampler: `EntropySampler`, not `UniformSampler`"),
        (("mlp2", "--rom", "13000"), "of another set"),
    ):
        code, out, err = run("sample", *arguments, "--state", "s.json")
        assert (code, out) == (2, "")
        assert text in err
        assert "s.json" in err
    assert (run.folder / "s.json").read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["events"].append(["ask", 14]),
        lambda state: state["events"].append(["ask", -1]),
        lambda state: state["events"].append(state["events"][0]),
        lambda state: state["events"].append(["tell", 13, {}]) or state["events"].append(["ask", 13]),
        lambda state: state["events"].append("ask"),
        lambda state: state.update(events=3),
        lambda state: state.pop("set"),
    ],
)
def test_a_damaged_state_is_refused(change, run: Run) -> None:
    lines(run, *SMALL, "-n", "3", "--seed", "1", "--state", "s.json")
    state = json.loads((run.folder / "s.json").read_text())
    change(state)
    (run.folder / "s.json").write_text(json.dumps(state))
    code, out, err = run("sample", *SMALL, "--seed", "1", "--state", "s.json")
    assert (code, out) == (2, "")
    assert "this is no state of a sampler, or a damaged one" in err


@pytest.mark.parametrize("text", ["", "{", "[]", "\ud800", "null"])
def test_a_file_that_is_no_state_is_refused(text: str, run: Run) -> None:
    (run.folder / "s.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    code, _, err = run("sample", *SMALL, "--state", "s.json")
    assert code == 2
    assert "this is no state of a sampler" in err


def test_a_state_that_cannot_be_written_prints_nothing(run: Run) -> None:
    """What is not on record must not be used: the next call would give it again."""
    code, out, err = run("sample", *SMALL, "-n", "3", "--state", os.path.join("missing", "s.json"))
    assert (code, out) == (2, "")
    assert "cannot write the file" in err


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--sampler", "entrpy"), "there is no sampler `entrpy`"),
        (("--sampler", "uniform", "--p", "0.3"), "the sampler `uniform` has no parameter `p`"),
        (("--sampler", "uniform", "--clusters", "7"), "the sampler `uniform` has no parameter `clusters`"),
        (("--sampler", "tpe", "--parameter", "method=gp"), "the sampler `tpe` has no parameter `method`"),
        (("--parameter", "name=x"), "the sampler `entropy` has no parameter `name`"),
        (("--parameter", "bins=many"), "`bins` of the sampler `entropy` cannot be 'many'"),
        (("--parameter", "bins=true"), "`bins` of the sampler `entropy` cannot be True"),
        (("--parameter", "bins=1.5"), "`bins` of the sampler `entropy` cannot be 1.5"),
        (("--parameter", "method=7"), "`method` of the sampler `entropy` cannot be 7"),
        (("--parameter", "method=fast"), "`method` = 'fast'"),
        (("--parameter", "bins"), "gives no value"),
        (("--parameter", "bins=1", "--parameter", "bins=2"), "gives `bins` twice"),
        (("--parameter", "p=0.5"), "has an option of its own"),
        (("--clusters", "0"), "`clusters` = 0"),
        (("--p", "1.5"), "`p` = 1.5"),
        (("-n", "0"), "Invalid value"),
    ],
)
def test_options_that_cannot_be(options: tuple[str, ...], text: str, run: Run) -> None:
    code, out, err = run("sample", *SMALL, *options)
    assert (code, out) == (2, "")
    assert text in err


def test_parameters_reach_the_sampler(run: Run) -> None:
    listed = lines(run, *SMALL, "-n", "14", "--clusters", "1", "--parameter", "method=exact")
    counted = lines(run, *SMALL, "-n", "14", "--clusters", "1", "--parameter", "method=quantised")
    assert sorted(listed) == sorted(counted)
    _, out, _ = run("sample", *SMALL, "-n", "1", "--parameter", "bins=64", "--json")
    assert json.loads(out)["sampler"]["parameters"]["bins"] == 64


def test_samplers_that_learn_say_that_they_do_not(run: Run) -> None:
    _, _, err = run("sample", *SMALL, "-n", "2", "--sampler", "evolution")
    assert "`evolution` learns from `accuracy`, of which it is told nothing here" in err
    assert run("sample", *SMALL, "-n", "2", "--sampler", "uniform")[2] == ""
