"""Set files: whole or not there at all, and never believed without their checksum."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nascompile as nc
from solvers.base import verify
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import FileError, SetFileError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return nc.reduce("dscnn", mcu="stm32f412").save(tmp_path / "a.nasset")


def test_round_trip(file: Path) -> None:
    fs, again = nc.reduce("dscnn", mcu="stm32f412"), nc.load_set(file)
    assert again == fs
    assert (again.size, again.engine, again.program.target) == (168_509, "diagram", "stm32f412")
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
    assert message(constant.replace(b"nascompile-set 1", b"nascompile-set 9")) == (
        f"{file}:1:1: a set file of version 9; this nascompile reads version 1 [wrong-version]\n"
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
