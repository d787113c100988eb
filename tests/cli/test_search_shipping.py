"""`nascompile search` takes the networks that fit as they ship, and those of the paper on request."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

import nascompile as nc
from tests.cli.conftest import Done, Run

QUICK = ("--sampler", "pareto", "--objectives", "flops,entropy", "--trials", "3", "--population", "2")
PAPER = ("--runtime", "ebs", "dtype=float32")


def found(done: Done) -> int:
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)["feasible"]


def test_what_fits_as_it_ships_is_searched(run: Run) -> None:
    done = run("search", "dscnn", "--mcu", "stm32f412", *QUICK, "--json")
    assert found(done) == 19_136_512
    assert "counting int8 networks by nascompile-c; 19,136,512 of 19,136,512 fit (100 %)" in done.stderr
    assert "RAM (liveness) <= 261,120 B" in run("search", "dscnn", "--mcu", "stm32f412", *QUICK).stdout


def test_the_paper_on_request(run: Run) -> None:
    assert found(run("search", "dscnn", "--mcu", "stm32f412", *PAPER, *QUICK, "--json")) == 168_509


@pytest.mark.parametrize(
    ("given", "dtype", "runtime", "said"),
    [
        (("--mcu", "esp32"), "int8", "ebs", "the C of `deploy` was not measured on a Xtensa LX6 in int8"),
        (("--rom", "100000"), "int8", "ebs", "no MCU is named"),
        (("--mcu", "stm32f412", "--runtime", "ebs"), "int8", "ebs", ""),
        (("--mcu", "stm32f412", "dtype=float32"), "float32", "nascompile-c", ""),
        (("--mcu", "stm32f412", "--ram-model", "pingpong"), "int8", "nascompile-c", ""),
    ],
)
def test_what_is_counted_is_said(run: Run, given: tuple[str, ...], dtype: str, runtime: str, said: str) -> None:
    done = run("search", "dscnn", *given, *QUICK, "--json")
    assert f"counting {dtype} networks by {runtime}{', the paper' if said else ';'}" in done.stderr
    assert said in done.stderr
    words = [word for word in given if not word.startswith("dtype=")]
    names = [name.removeprefix("--").replace("-", "_") for name in words[::2]]
    options: dict[str, Any] = dict(zip(names, words[1::2], strict=True))
    assert found(done) == len(nc.reduce("dscnn", ships=dtype, **options))


@pytest.mark.parametrize(
    ("given", "kept", "hint"),
    [
        (("dtype=float32",), "int8", "--quantise none keeps float32"),
        (("dtype=float32", "--runtime", "nascompile-c"), "int8", "--runtime ebs dtype=float32"),
        (("dtype=int8", "--quantise", "none"), "float32", "--quantise qat or ptq keeps int8"),
        (("dtype=int16",), "int8", "leave it out"),
    ],
)
def test_another_type_than_that_of_the_kept_is_refused(run: Run, given: tuple[str, ...], kept: str, hint: str) -> None:
    done = run("search", "dscnn", "--mcu", "stm32f412", "--data", "d.npz", *given)
    assert (done.code, done.stdout) == (2, "")
    assert f"those that this search keeps are {kept}" in done.stderr
    assert hint in done.stderr


def typed(done: Done) -> list[str]:
    """The words of the line that an error says to type."""
    assert done.code == 2
    return shlex.split(done.stderr.split("`nascompile ")[1].split("`")[0])


@pytest.mark.parametrize(
    ("space", "given"),
    [
        ("dscnn", ("--mcu", "stm32f412")),
        ("dscnn", ("choices.M.step=56", "network.2.repeat=[4,5]", "--mcu", "stm32f412", "--rom", "300KiB")),
        ("dscnn", ("dtype=int8", "--mcu", "stm32f412", "--flops", "20M")),
        ("mlp2", ("--mcu", "nucleo-l432kc", "--ram", "40KiB", "--runtime", "nascompile-c")),
        ("mlp2", ("--mcu", "stm32f746", "dtype=int8", "--latency", "5ms", "--latency-profile", "nascompile-c")),
        ("mine.yaml", ("--mcu", "stm32f412", "dtype=float32")),
    ],
)
def test_a_set_that_counts_otherwise_is_refused_with_the_line_that_makes_the_right_one(
    run: Run, space: str, given: tuple[str, ...]
) -> None:
    (run.folder / "mine.yaml").write_text(
        nc.compile("mlp2").space.document.dump().replace("space: mlp2", "space: mine")
    )
    assert run("reduce", space, *given, "-o", "s.nasset").code == 0
    line = typed(run("search", "s.nasset", *QUICK))
    assert run(*line, "-o", "right.nasset").code == 0
    mine = run("search", "right.nasset", *QUICK, "--json")
    limits = [word for word in given if not word.startswith("dtype=")]
    wanted = run("search", space, *limits, *QUICK, "--json", "--log", "other.jsonl")
    assert found(mine) == found(wanted)
    assert json.loads(mine.stdout)["front"] == json.loads(wanted.stdout)["front"]


def test_a_set_of_the_paper_is_searched_where_that_is_said(run: Run) -> None:
    run("reduce", "dscnn", "--mcu", "stm32f412", "-o", "s.nasset")
    assert found(run("search", "s.nasset", *PAPER, *QUICK, "--json")) == 168_509
    for given in (("--runtime", "ebs"), ("dtype=float32",), ("--runtime", "nascompile-c"), ("dtype=int8",)):
        assert "counts float32 networks by ebs" in run("search", "s.nasset", *given, *QUICK).stderr
    refused = run("search", "s.nasset", *PAPER, "choices.M.step=56", *QUICK)
    assert "choices.M.step=56 cannot change a set that is already made" in refused.stderr


def test_a_set_without_an_mcu_needs_its_type_alone(run: Run) -> None:
    run("reduce", "mlp2", "dtype=int8", "--rom", "3400", "-o", "s.nasset")
    assert found(run("search", "s.nasset", *QUICK, "--json")) == 14


def test_part_of_a_set_is_to_be_taken_anew(run: Run) -> None:
    nc.reduce("dscnn", mcu="stm32f412").where(variant=6).save("part.nasset")
    assert "and take its part anew" in run("search", "part.nasset", *QUICK).stderr
