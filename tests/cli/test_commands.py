"""Every command, the way the README shows it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nascompile as nc
from solvers.base import SOLVERS
from spaces.blocks import BLOCKS
from spaces.language.library import library
from spaces.language.reader import read_space
from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]


def test_reduce_reports_and_writes_the_set(run: Run) -> None:
    code, out, err = run("reduce", "spaces/dscnn.yaml", "--mcu", "stm32f412")
    assert code == 0
    assert "|X|   = 19,136,512  networks in the space" in out
    assert "|X^f| =    168,509  feasible, exactly (0.881 %)" in out
    assert "written: dscnn-stm32f412.nasset" in err
    assert nc.load_set(run.folder / "dscnn-stm32f412.nasset") == nc.reduce("dscnn", mcu="stm32f412")


def test_reduce_as_json(run: Run) -> None:
    code, out, _ = run("reduce", "dscnn", "--mcu", "stm32f412", "--json", "--no-save")
    data = json.loads(out)
    assert code == 0
    assert (data["count"], data["size"], data["exact"], data["file"]) == (168_509, 19_136_512, True, None)
    assert data["variants"][0]["ranges"]["M[1]"] == [84, 112]
    assert data["limits"][1] == {
        "limit": "ram",
        "budget": 262_144,
        "alone_keeps": 169_024,
        "alone_removes": 18_967_488,
    }
    assert list(run.folder.iterdir()) == []


def test_words_are_listed_not_ranged(run: Run) -> None:
    text = "space: w\ninput: {channels: 2}\nchoices:\n  A: [relu6, none, relu]\n"
    (run.folder / "w.yaml").write_text(text + "network:\n  - linear: {units: 3, activation: A}\n")
    assert "A1=relu6|none|relu" in run("reduce", "w.yaml", "--no-save")[1]


@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
def test_count(solver: str, run: Run) -> None:
    said = "counting float32 networks by ebs; 56 as int8 by ebs (87.5 %)\n"
    assert run("count", "mlp2", "--rom", "13600", "--solver", solver) == (0, "14\n", said)


@pytest.mark.parametrize(
    ("space", "given", "counting", "ships"),
    [
        ("dscnn", ("--mcu", "stm32f412"), "float32 networks by ebs", ("nascompile-c", 19_136_512)),
        ("dscnn", ("--rom", "300000"), "float32 networks by ebs", ("ebs", 15_216_488)),
        ("dscnn", ("--mcu", "stm32l432", "dtype=int8"), "int8 networks by ebs", ("nascompile-c", 2_705_364)),
        (
            "dscnn",
            ("--mcu", "stm32l432", "dtype=int8", "--runtime", "nascompile-c"),
            "int8 networks by nascompile-c",
            None,
        ),
        # Cells with shared code take many seconds.
        ("nasbench201", ("--mcu", "stm32l432"), "int8 networks by ebs", ("nascompile-c", None)),
    ],
)
def test_what_is_counted_and_what_ships(
    space: str, given: tuple[str, ...], counting: str, ships: tuple[str, int | None] | None, run: Run
) -> None:
    """`reduce`, `count` and `show` say which type and runtime they count, and how many fit as int8."""
    wanted = ships and {"dtype": "int8", "runtime": ships[0], "count": ships[1]}
    text = f" as int8 by {ships[0]} (" if ships and ships[1] else " as int8 by "
    for command in ("reduce", "show", "count"):
        given_file = ("s.nasset",) if command == "show" else (space, *given)
        save = ("-o", "s.nasset") if command == "reduce" else ()
        data = json.loads(run(command, *given_file, *save, "--json").stdout)
        assert (f"{data['dtype']} networks by {data['runtime']}", data["ships"]) == (counting, wanted)
        done = run(command, *given_file, *save)
        said = done.stderr if command == "count" else done.stdout
        assert f"counting {counting}" in said
        assert (text in said) == bool(ships and ships[1])


def test_a_target_file_of_ones_own_ships_too(run: Run) -> None:
    chip = "name: mine\ncore: Cortex-M4F\nclock: 80 MHz\nflash: 256 KiB\nram: {SRAM: 64 KiB}\n"
    (run.folder / "t.yaml").write_text(chip)
    data = json.loads(run("count", "dscnn", "--mcu", "t.yaml", "--json").stdout)
    assert data["ships"] == {"dtype": "int8", "runtime": "nascompile-c", "count": 2_705_364}
    checked = json.loads(run("check", "dscnn", "84-112-84-84-84-196", "--mcu", "t.yaml", "--json").stdout)
    assert (checked["feasible"], checked["ships"]["feasible"]) == (False, True)


def test_check_says_what_a_network_takes_as_it_ships(run: Run) -> None:
    line = ("check", "dscnn", "84-112-84-84-84-196", "--mcu", "stm32f412")
    done = run(*line)
    assert done.code == 1
    assert "counting float32 networks by ebs" in done.stdout
    data = json.loads(run(*line, "dtype=int8", "--runtime", "nascompile-c", "--json").stdout)
    assert (data["dtype"], data["ships"], data["feasible"]) == ("int8", None, True)
    rom, ram = data["costs"]["rom"], data["costs"]["ram"]
    shown = f"ROM {rom:,} B ({100 * rom / 2**20:.3g} %), RAM {ram:,} B ({100 * ram / 2**18:.3g} %), "
    assert f"as int8 by nascompile-c: {shown}" in done.stdout
    assert "instructions; fits stm32f412" in done.stdout


def test_a_set_file_takes_no_budgets(run: Run) -> None:
    run("reduce", "mlp2", "--rom", "13600", "-o", "m.nasset")
    assert run("count", "m.nasset")[1] == "14\n"
    code, _, err = run("count", "m.nasset", "--rom", "1MiB")
    assert code == 2
    assert "--rom cannot change a set that is already made (m.nasset)" in err


def test_a_count_of_nothing_is_a_no(run: Run) -> None:
    said = "counting float32 networks by ebs; 0 as int8 by ebs (0 %)\n"
    assert run("count", "mlp2", "--rom", "1") == (1, "0\n", said)
    code, out, _ = run("count", "mlp2", "--rom", "1", "--json")
    assert (code, json.loads(out)["count"]) == (1, 0)


class TestDefaultName:
    """No two of these write over each other, and each reads back as what it is of."""

    @pytest.mark.parametrize(
        ("arguments", "name"),
        [
            ((), "mlp2.nasset"),
            (("--mcu", "stm32f412"), "mlp2-stm32f412.nasset"),
            (("--rom", "64 KiB"), "mlp2-rom=64KiB.nasset"),
            (("--mcu", "stm32f412", "--ram", "1MB", "--macs", "5k"), "mlp2-stm32f412-ram=1MB-macs=5k.nasset"),
            (("--mcu", "stm32f412", "dtype=int8"), "mlp2-stm32f412-dtype=int8.nasset"),
            (("--mcu", "STM32F412", "dtype=int8", "--runtime", "nascompile-c"),
             "mlp2-stm32f412-runtime=nascompile-c-dtype=int8.nasset"),
            (("--ram-model", "liveness", "choices.M.step=32"), "mlp2-ram-model=liveness-choices.M.step=32.nasset"),
            (("choices.M=[16, 32, 48]",), "mlp2-choices.M=16,32,48.nasset"),
            (('constraints=["M[1] <= M[2]"]',), "mlp2-constraints=_M_1_=M_2_-a6f036.nasset"),
            (('constraints=["M[1] >= M[2]"]',), "mlp2-constraints=_M_1_=M_2_-f1536f.nasset"),
        ],
    )  # fmt: skip
    def test_it_says_what_was_asked(self, arguments: tuple[str, ...], name: str, run: Run) -> None:
        code, _, err = run("reduce", "mlp2", *arguments)
        assert (code, [p.name for p in run.folder.iterdir()]) == (0, [name])
        assert f"written: {name}" in err
        assert run("count", name)[1] == run("count", "mlp2", *arguments)[1]

    def test_it_fits_a_folder(self, run: Run) -> None:
        assert run("reduce", "mlp2", f"doc={'a' * 300}")[0] == 0
        assert run("reduce", "mlp2", f"doc={'a' * 301}")[0] == 0
        names = [p.name for p in run.folder.iterdir()]
        assert len(set(names)) == 2
        assert all(len(name) < 200 for name in names)


def test_check_prints_every_term(run: Run) -> None:
    code, out, _ = run("check", "dscnn", "84-112-84-84-84-196", "--mcu", "stm32f412", "--json")
    data = json.loads(out)
    assert code == 1
    assert data["costs"]["rom"] == 236_544 == sum(layer["rom"] for layer in data["layers"])
    assert data["limits"][1] == {"limit": "ram", "budget": 262_144, "value": 262_640, "over": 496}
    _, out, _ = run("check", "dscnn", "84-112-84-84-84-196", "--mcu", "stm32f412")
    assert "496 over" in out
    assert "even 98,000 B + odd 164,640 B" in " ".join(out.split())
    assert run("check", "dscnn", "84-112-84-84-84-84", "--mcu", "stm32f412")[0] == 0


def test_a_single_network_needs_no_candidate(run: Run) -> None:
    code, out, _ = run("check", "mlp2", "choices.M=[48]", "dtype=int8", "--json")
    assert (code, json.loads(out)["candidate"]) == (0, "mlp2: 48-48")
    code, out, _ = run("deploy", "mlp2", "choices.M=[48]", "--mcu", "stm32f412", "-o", "one", "--json")
    assert (code, json.loads(out)["candidate"]) == (0, "mlp2: 48-48")
    code, _, err = run("check", "mlp2", "dtype=int8")
    assert code == 2
    assert "which network of `mlp2`? There are 64 [no-candidate]\n  give its line, such as `mlp2: 16-16`" in err


def test_many_variants_are_listed_by_depth(run: Run) -> None:
    text = "space: deep\ninput: {channels: 2}\nchoices:\n  M: [2, 4]\n  N: [3, 5]\nnetwork:\n"
    text += "".join(f"  - linear: {{units: {c}}}\n    repeat: [1, 2, 3, 4, 5, 6]\n" for c in "MN")
    (run.folder / "deep.yaml").write_text(text)
    _, out, _ = run("reduce", "deep.yaml", "--no-save")
    rows = [line.split() for line in out.splitlines() if " layers " in line]
    counts = {int(row[2]): (int(row[0]), int(row[4].replace(",", ""))) for row in rows}
    assert counts == {depth: (6 - abs(depth - 7), (6 - abs(depth - 7)) * 2**depth) for depth in range(2, 13)}
    assert "36 variants, by their number of layers; --json lists each" in out
    _, out, _ = run("reduce", "deep.yaml", "--no-save", "--json")
    assert len(json.loads(out)["variants"]) == 36


def test_check_names_a_broken_constraint(run: Run) -> None:
    code, out, _ = run("check", "autoencoder", "autoencoder/6: 32-48-32-32")
    assert code == 1
    assert "breaks the constraint E[i] >= E[i+1]" in out


def test_brackets_of_constraints_survive(run: Run) -> None:
    """Terminal markup would read `[i]` as italics."""
    text = "space: c\ninput: {channels: 2}\nchoices:\n  M: {start: 1, stop: 9}\n"
    text += "network:\n  - linear: {units: M}\n    repeat: 3\nconstraints:\n  - M[i] + M[i+1] <= 3\n"
    (run.folder / "c.yaml").write_text(text)
    assert "M[i] + M[i+1] <= 3" in run("reduce", "c.yaml", "--no-save")[1]
    assert "M[i] + M[i+1] <= 3" in run("explain", "c.yaml", "--rom", "1")[1]
    (run.folder / "d.yaml").write_text(text.replace("<= 3", "<= 1"))
    assert "M[i] + M[i+1] <= 1" in run("reduce", "d.yaml", "--no-save")[1]


def test_explain(run: Run) -> None:
    code, out, _ = run("explain", "dscnn", "--ram", "64KiB", "--rom", "100kB")
    assert code == 1
    assert "raising rom to 173,712 B and ram to 206,640 B admits dscnn/6: 84-84-84-84-84-84" in " ".join(out.split())
    assert out.endswith("\nnext: nascompile reduce dscnn --rom 173712 --ram 206640\n")
    assert run("explain", "dscnn", "--mcu", "stm32f412")[0] == 0


RELATED = """
space: small
input: {channels: 2}
dtype: int8
bias: true
choices:
  N: [8, 4]
network:
  - linear: {units: 3}
    numbered: false
  - linear: {units: N}
constraints:
  - N[1] >= 8
"""


def test_explain_blames_and_offers_relations(run: Run) -> None:
    (run.folder / "small.yaml").write_text(RELATED)
    code, out, _ = run("explain", "small.yaml", "--rom", "49", "--ram-model", "liveness")
    text = " ".join(out.split())
    assert code == 1
    assert "least of any relations kept others kept" in text
    assert "rom 49 B 46 B 74 B 74 B conflicts" in text
    assert "N[1] >= 8 - - - - conflicts" in text
    assert "rom and `N[1] >= 8` cannot be met together; the smallest network that keeps `N[1] >= 8` is small: 8" in text
    assert "raising rom from 49 B to 74 B admits small: 8" in text
    assert "dropping `N[1] >= 8` admits small: 4 (ROM 46 B" in text
    (variant,) = json.loads(run("explain", "small.yaml", "--rom", "49", "--json")[1])["variants"]
    assert variant["limits"][0]["least_with_relations"] == 74
    assert variant["conflicts"] == [["rom", "N[1] >= 8"]]


def test_explain_shows_a_constraint_in_the_units_of_its_metric(run: Run) -> None:
    text = " ".join(run("explain", "mlp2", "constraints=['macs <= 5', '2 * rom <= 3 kB']")[1].split())
    assert "macs <= 5 5 736 -" in text
    assert "2 * rom <= 3 kB 1,500 B 2,944 B -" in text
    assert "raising `macs <= 5` to 736 and `2 * rom <= 3 kB` to 2,944 B admits mlp2: 16-16" in text
    text = " ".join(run("reduce", "dscnn", "--ram", "64KiB", "constraints=['depth <= 6']", "--no-save")[1].split())
    assert "raising ram from 65,536 B to 206,640 B admits dscnn/6" in text
    assert "7 depth <= 6 - - - - never holds" in text


def test_show(run: Run) -> None:
    run("reduce", "dscnn", "--mcu", "stm32f412")
    code, out, err = run("show", "dscnn-stm32f412.nasset", "--top", "entropy", "-n", "3", "--verify", "--json")
    data = json.loads(out)
    assert code == 0
    assert data["verified"] is True
    assert [m["candidate"] for m in data["members"]] == [
        str(c) for c in nc.reduce("dscnn", mcu="stm32f412").top("entropy", 3)
    ]
    assert "least of" not in err
    one = json.loads(run("show", "dscnn-stm32f412.nasset", "--least", "ram", "-n", "1", "--json")[1])
    assert one["members"][0]["ram_pingpong"] == 206_640
    assert run("show", "dscnn-stm32f412.nasset", "--top", "rom", "--seed", "1")[0] == 2


def test_exports_agree(run: Run) -> None:
    run("reduce", "dscnn", "--mcu", "stm32f412")
    arguments = ("export", "dscnn-stm32f412.nasset", "-n", "50", "--seed", "3")
    rows = list(csv.DictReader(io.StringIO(run(*arguments)[1])))
    assert json.loads(run(*arguments, "-f", "json")[1])[7]["candidate"] == rows[7]["candidate"]
    run(*arguments, "-o", "m.npz")
    arrays = np.load(run.folder / "m.npz", allow_pickle=False)
    fs = nc.load_set(run.folder / "dscnn-stm32f412.nasset")
    for k, row in enumerate(rows):
        member = fs[fs.index(row["candidate"])]
        assert int(row["rom"]) == member.costs["rom"] == arrays["rom"][k]
        assert tuple(v for v in arrays["options"][k] if v >= 0) == member["M"]
        assert arrays["variant"][k] == member.variant.label


def test_diff(run: Run) -> None:
    code, out, _ = run("diff", "dscnn", "--mcu", "stm32f412", "--mcu", "ebs-small", "--json")
    counts = json.loads(out)["counts"]
    assert code == 1
    assert (counts["both"], counts["only stm32f412"], counts["only ebs-small"]) == (167_713, 796, 0)
    run("reduce", "mlp2", "--rom", "13600", "-o", "a.nasset")
    run("reduce", "mlp2", "--rom", "13601", "-o", "b.nasset")
    code, out, _ = run("diff", "a.nasset", "b.nasset")
    assert (code, out.splitlines()[-1]) == (0, "next: nascompile show a.nasset")


def test_compile_shows_every_stage(run: Run) -> None:
    texts = {stage: run("compile", "mlp2", "--rom", "13600", "--emit", stage)[1] for stage in
             ("document", "program", "cpsat", "mzn", "dot")}  # fmt: skip
    assert read_space(texts["document"]).text == nc.load_space("mlp2").text
    assert "stage M[2]: 8 states x 8 options" in texts["program"]
    assert 'name: "M[1]"' in texts["cpsat"]
    assert "constraint table(" in texts["mzn"]
    assert texts["dot"].startswith('digraph "mlp2"')
    code, _, err = run("compile", "dscnn", "--emit", "dot")
    assert code == 2
    assert "add --variant with one of 6, 7, 8" in err


def test_listings(run: Run) -> None:
    assert [row["space"] for row in json.loads(run("spaces", "--json")[1])] == sorted(library())
    assert [row["block"] for row in json.loads(run("spaces", "--blocks", "--json")[1])] == [
        "group",
        "switch",
        "cell",
        *BLOCKS,
    ]
    assert json.loads(run("mcus", "NUCLEO-F412ZG", "--json")[1])[0]["ram"] == 262_144
    assert run("mcus", "no such thing")[0] == 1
    schema = json.loads(run("schema")[1])
    assert schema["properties"]["network"]["items"] == {"$ref": "#/$defs/item"}
    assert run("schema", "--of", "space")[1] == run("schema")[1]
    assert json.loads(run("schema", "--of", "target")[1])["required"] == ["name", "core", "clock", "flash", "ram"]
    assert json.loads(run("schema", "--of", "latency")[1])["required"] == ["name", "dtype"]
    code, _, err = run("schema", "--of", "targets")
    assert (code, "did you mean `target`?" in err) == (2, True)


@pytest.mark.parametrize(
    "command",
    ["reduce", "count", "show", "export", "check", "explain", "diff", "compile", "spaces", "mcus", "schema"],
)
def test_help_teaches(command: str, run: Run) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "Usage: nascompile" in out
    assert "Example" in out or command in ("spaces", "mcus")


def test_the_manual_names_every_block() -> None:
    from pathlib import Path

    manual = (Path(__file__).parents[2] / "docs" / "language.md").read_text()
    assert [name for name in BLOCKS if f"`{name}`" not in manual] == []


def test_the_solvers_are_named_wherever_they_can_be_chosen(run: Run) -> None:
    """In the help of every command that takes one, and in the README."""
    helped = " ".join(run("reduce", "--help").stdout.split())
    assert f"auto, {' or '.join(', '.join(SOLVERS).rsplit(', ', 1))}." in helped
    assert f"`--solver {'|'.join(SOLVERS)}`" in (Path(__file__).parents[2] / "README.md").read_text()


def test_a_variant_of_a_space_with_one(run: Run) -> None:
    code, _, err = run("compile", "mlp2", "--emit", "dot", "--variant", "9")
    assert (code, err) == (
        2,
        "error: there is no variant `9` [bad-option]\n  it has a single variant, which needs no name\n",
    )
    assert "its variants are 6, 7, 8" in run("compile", "dscnn", "--emit", "dot", "--variant", "9").stderr


@pytest.mark.parametrize(
    ("arguments", "unbuffered"),
    [
        (("schema",), ""),
        (("schema",), "1"),
        (("--help",), ""),
        (("latency", "list"), "1"),
        (("show", "mlp2", "-n", "60"), ""),
        (("export", "mlp2"), "1"),
    ],
)
def test_a_reader_that_leaves_is_no_mistake(arguments: tuple[str, ...], unbuffered: str, tmp_path: Path) -> None:
    """As in `nascompile schema | head -1`, where the reader may even be gone before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "nascompile", *arguments],
        stdout=writing,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered},
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
