"""Set files: whole or not there at all, and never believed without their checksum."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nascompile as nc
from solvers.base import EXACT, mismatch, solve, verify
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.set_file import StoredSet, save
from solvers.sets.stored_levels import pack, unpack
from solvers.sets.tree import Tree, join
from spaces.costs.cost_model import COST_MODEL
from spaces.errors import FileError, SetFileError
from spaces.language.reader import read_space
from spaces.program.compile import compile_space
from tests.altered_set_files import Parts, bomb, campaign, signed
from tests.strategies import budgets_for, small_spaces


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return nc.reduce("dscnn", mcu="stm32f412").save(tmp_path / "a.nasset")


def test_round_trip(file: Path) -> None:
    fs, again = nc.reduce("dscnn", mcu="stm32f412"), nc.load_set(file)
    assert again == fs
    assert (again.size, again.program.target) == (168_509, "stm32f412")
    assert (again.engine, again.seconds) == ("", None)
    assert again[1234] == fs[1234]
    assert again[1234].costs == fs[1234].costs
    assert verify(again)
    assert verify(nc.reduce("mlp2", rom=13_600), "cp-sat")


def test_overrides_and_fractions_survive(tmp_path: Path) -> None:
    overrides = ["choices.W={options: [0.25, 0.5], shared: true}", "network.1.ds_conv.filters=round_to(W * 200, 8)"]
    fs = nc.reduce("dscnn", ram="300KiB", overrides=overrides, ram_model="liveness")
    again = nc.load_set(fs.save(tmp_path / "w.nasset"))
    assert again == fs
    assert str(again[7]) == str(fs[7])
    assert again.program.ram_model == "liveness"


def test_a_derived_set_is_kept_but_cannot_be_verified(tmp_path: Path) -> None:
    fs = nc.reduce("dscnn", mcu="stm32f412") - nc.reduce("dscnn", mcu="ebs-small")
    again = FeasibleSet.load(fs.save(tmp_path / "d.nasset"))
    assert again == fs
    assert again.size == 796
    with pytest.raises(SetFileError, match="made by set operations"):
        verify(again)


def test_equal_sets_make_equal_trees_in_files(tmp_path: Path) -> None:
    a, b = (nc.reduce("mlp2", rom=13_600, solver=s) for s in ("diagram", "exhaustive"))
    assert a.digest == b.digest


@settings(max_examples=60)
@given(place=st.floats(0, 0.9999), cut=st.booleans())
def test_any_damage_is_noticed(place: float, cut: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = nc.reduce("mlp2", rom=13_600).save(tmp_path_factory.mktemp("s") / "m.nasset")
    constant = path.read_bytes()
    at = int(place * len(constant))
    path.write_bytes(constant[:at] if cut else constant[:at] + bytes([constant[at] ^ 0x20]) + constant[at + 1 :])
    with pytest.raises(SetFileError):
        nc.load_set(path)


@settings(max_examples=40)
@given(data=st.data())
def test_every_set_opens_as_it_was(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    space = read_space(data.draw(small_spaces()))
    fs = solve(compile_space(space, data.draw(budgets_for(compile_space(space)))))
    path = tmp_path_factory.mktemp("s") / "a.nasset"
    for one in (fs, fs - fs, fs.where(variant=next(iter(fs.program.by_label)))):
        again = nc.load_set(one.save(path))
        assert again == one
        assert [str(c) for c in again] == [str(c) for c in one]
        assert all(np.array_equal(a, b) for a, b in zip(again.tree.levels, one.tree.levels, strict=True))
        assert path.read_bytes() == again.save(path).read_bytes()


def test_the_same_set_has_the_same_bytes(tmp_path: Path) -> None:
    files = [nc.reduce("mlp2", rom=13_600, solver=s).save(tmp_path / s).read_bytes() for s in EXACT]
    assert len(set(files)) == 1


def test_altered_files(tmp_path: Path) -> None:
    """As `python -m tests.altered_set_files 2000`, with fewer."""
    seen = campaign(tmp_path, 70, seed=1)
    assert not [name for name, what in seen if what.startswith("unhelpful")]
    assert seen["crafted tree", "opened, found by solving anew"] > 1


class TestStructure:
    """A tree that contradicts itself is refused whatever digests a file gives for it."""

    #: Two variants; the second has one decision less, and one option less at the last.
    OPTIONS = ((2, 3), (2,))

    def tree(self) -> Tree:
        first = [np.array([[0, 0], [1, 2]]), np.array([[0, 0, 0], [1, 1, 1], [0, 0, 1]])]
        return join([(first, 1), ([np.array([[0, 0], [1, 1]])], 1)])

    def opened(self, levels: list[np.ndarray], roots: list[tuple[int, int]]) -> Tree:
        shapes, payload = pack(levels)
        return unpack([tuple(shape) for shape in shapes], memoryview(payload), roots, self.OPTIONS)

    def refused(self, levels: list[np.ndarray], roots: list[tuple[int, int]], why: str) -> None:
        with pytest.raises(SetFileError, match=why):
            self.opened(levels, roots)

    def test_as_it_was(self) -> None:
        tree = self.tree()
        again = self.opened(list(tree.levels), list(tree.roots))
        assert (again.digest, again.count(0), again.count(1)) == (tree.digest, 4, 2)

    @pytest.mark.parametrize(
        ("row", "column", "child", "why"),
        [
            (1, 0, 2, "order of first appearance"),
            (1, 1, 3, "more than a leaf|order of first"),
            (2, 2, 0, "without children is not the empty one"),
            (0, 1, 1, "without children is not the empty one"),
        ],
    )
    def test_a_child_that_cannot_be(self, row: int, column: int, child: int, why: str) -> None:
        tree = self.tree()
        last = tree.levels[0].copy()
        last[row, column] = child
        self.refused([last, tree.levels[1]], list(tree.roots), why)

    def test_an_option_that_a_decision_lacks(self) -> None:
        tree = self.tree()
        last = tree.levels[0].copy()
        last[3] = (1, 0, 1)
        self.refused([last, tree.levels[1]], list(tree.roots), "an option beyond the 2 of a decision")
        self.refused([tree.levels[0][:3], tree.levels[1]], [tree.roots[0], (1, 1)], "an option beyond the 2")

    def test_roots_and_levels_that_are_not_those_of_the_decisions(self) -> None:
        tree = self.tree()
        levels, (first, second) = list(tree.levels), tree.roots
        self.refused(levels, [second, first], "roots are not those of the variants")
        self.refused(levels, [first], "roots are not those of the variants")
        self.refused(levels, [(2, 2), second], "roots are not in order|a level of")
        self.refused(levels[:1], [first, second], "1 levels for 2 decisions")
        self.refused(levels[::-1], [first, second], "is said to be")
        self.refused([levels[0].astype(np.uint16), levels[1]], [first, second], "canonical form")
        self.refused([levels[0].astype(np.float32), levels[1]], [first, second], "of type")

    def test_no_byte_more_or_less(self) -> None:
        tree = self.tree()
        shapes, payload = pack(tree.levels)
        told = [tuple(shape) for shape in shapes]
        for data, why in (
            (payload[:-8], "end too early"),
            (payload + b"x", "behind"),
            (b"xx", "cannot be decompressed"),
        ):
            with pytest.raises(SetFileError, match=why):
                unpack(told, memoryview(data), list(tree.roots), self.OPTIONS)
        wide = [(2, 10**6, "|u1")]
        with pytest.raises(SetFileError, match="larger than 20 compressed bytes can hold"):
            unpack(wide, memoryview(bytes(20)), [(1, 1)], ((10**6,),))
        more = zlib.compress(zlib.decompress(payload) + b"x")
        with pytest.raises(SetFileError, match="something stands behind its levels"):
            unpack(told, memoryview(more), list(tree.roots), self.OPTIONS)


class TestTrust:
    """What a file says of itself, its checksum right, is compared with what it holds."""

    def message(self, path: Path, parts: Parts) -> str:
        path.write_bytes(parts.bytes())
        with pytest.raises(SetFileError) as caught:
            nc.load_set(path)
        assert str(caught.value).startswith(f"{path}:1:1: ")
        return str(caught.value)

    def test_another_version_says_so(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert nc.load_set(file)
        newer = COST_MODEL + 1
        monkeypatch.setattr("solvers.sets.set_file.COST_MODEL", newer)
        with pytest.raises(SetFileError) as caught:
            nc.load_set(file)
        assert str(caught.value) == (
            f"{file}:1:1: the set was made by cost model {COST_MODEL}, and this nascompile counts by {newer}: other "
            "networks may fit [other-costs]\n  make it anew with `nascompile reduce`"
        )

    def test_other_decisions(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("solvers.sets.set_file.decisions_digest", lambda _: "other")
        with pytest.raises(SetFileError, match="reads other decisions from the space"):
            nc.load_set(file)

    def test_what_no_version_wrote(self, file: Path) -> None:
        parts = Parts.of(file.read_bytes())
        parts.header["quantum"] = 4
        assert "the set says `quantum` of itself, which this nascompile does not understand" in self.message(
            file, parts
        )
        del parts.header["quantum"]
        parts.header["budgets"]["rom"] -= 1
        assert "the space or its limits are not those that were saved" in self.message(file, parts)

    def test_another_count_or_other_members(self, file: Path) -> None:
        parts = Parts.of(file.read_bytes())
        parts.header["count"] = "168510"
        assert "it has 168,509 members, and its header says 168510" in self.message(file, parts)
        parts.header["count"] = "168509"
        parts.header["digest"] = "0" * 64
        assert "its members are not those that were saved" in self.message(file, parts)

    def test_other_costs_are_found_by_solving_anew(self, file: Path) -> None:
        parts = Parts.of(file.read_bytes())
        parts.header["tables"] = "0" * 64
        file.write_bytes(parts.bytes())
        fs = nc.load_set(file)
        assert mismatch(fs) == "solving anew gives the same set, but its members had other costs when it was made"
        assert not verify(fs)

    def test_a_set_of_other_members_is_found_by_solving_anew(self, file: Path) -> None:
        fs = nc.reduce("dscnn", mcu="stm32f412")
        wrong = fs | nc.reduce("dscnn", rom="2MiB", ram="256KiB")
        assert wrong.size > fs.size
        again = nc.load_set(save(StoredSet(fs.program, wrong.tree, "", ""), file))
        assert again == wrong
        assert mismatch(again) == "solving anew gives another set"

    def test_no_table_of_costs_is_asked_for(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def asked(_: object) -> NoReturn:
            raise AssertionError

        before = nc.load_set(file)
        monkeypatch.setattr("solvers.sets.set_file.tables_digest", asked)
        assert nc.load_set(file).save(file).read_bytes() == before.save(file).read_bytes()

    @pytest.mark.parametrize("size", [10**6, 2**31, 2**62])
    def test_nothing_is_allocated_on_trust(self, size: int, file: Path) -> None:
        """100 MB of zeros in 100 kB, and a header that says so."""
        parts = Parts.of(file.read_bytes())
        parts.header["levels"][0][0] = size
        file.write_bytes(signed(json.dumps(parts.header).encode(), bomb()))
        tracemalloc.start()
        with pytest.raises(SetFileError, match="is said to be"):
            nc.load_set(file)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
        tracemalloc.stop()


def test_messages(file: Path, tmp_path: Path) -> None:
    constant = file.read_bytes()

    def message(data: bytes) -> str:
        file.write_bytes(data)
        with pytest.raises(SetFileError) as caught:
            nc.load_set(file)
        return str(caught.value)

    assert message(constant[:-9]) == (
        f"{file}:1:1: the file is truncated or altered: its checksum does not match [damaged-set]\n"
        "  copy it again, or make it anew with `nascompile reduce`"
    )
    assert message(constant.replace(b"nascompile-set 2", b"nascompile-set 1")) == (
        f"{file}:1:1: a set file of version 1; this nascompile reads version 2 [wrong-version]\n"
        "  make it anew with `nascompile reduce`"
    )
    assert message(b"PK\x03\x04") == (
        f"{file}:1:1: this is not a set file of nascompile [not-a-set]\n  make one with `nascompile reduce`"
    )
    with pytest.raises(SetFileError, match="cannot read the file: No such file"):
        nc.load_set(tmp_path / "none.nasset")


def test_an_unwritable_place(file: Path, tmp_path: Path) -> None:
    fs = nc.load_set(file)
    for path in (tmp_path / "no" / "x.nasset", file / "x.nasset"):
        with pytest.raises(FileError, match=r"cannot write the file: (No such file|Not a directory)"):
            fs.save(path)


def test_a_full_disk_leaves_the_old_file(file: Path) -> None:
    before = file.read_bytes()
    script = f"import nascompile as nc; nc.reduce('dscnn', mcu='ebs-small').save({str(file)!r})"
    run = subprocess.run(
        [sys.executable, "-c", script],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "cannot write the file: File too large" in run.stderr
    assert file.read_bytes() == before
    assert [p.name for p in file.parent.iterdir()] == [file.name]
