"""Targets: the facts of the catalogue, the ways to a target, and the messages for malformed files."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.errors import TargetError
from spaces.targets.catalogue import catalogue, load_target, read_catalogue
from spaces.targets.target import Region, Target, plain_name
from spaces.targets.target_file import read_target

KIB, MIB = 1024, 1024**2
GOOD = "name: mine\ncore: Cortex-M4F\nclock: 120 MHz\nflash: 1 MiB\nram: 256 KiB\n"

# What the design demands, and what the data sheets say of the other chips that it names.
FACTS = {
    "stm32f412": ("Cortex-M4F", 100, 256 * KIB, 1 * MIB),
    "stm32f446": ("Cortex-M4F", 180, 128 * KIB, 512 * KIB),
    "stm32f746": ("Cortex-M7", 216, 320 * KIB, 1 * MIB),
    "stm32f769": ("Cortex-M7", 216, 512 * KIB, 2 * MIB),
    "stm32h743": ("Cortex-M7", 480, 512 * KIB, 2 * MIB),
    "stm32h747": ("Cortex-M7", 480, 512 * KIB, 2 * MIB),
    "stm32l432": ("Cortex-M4F", 80, 64 * KIB, 256 * KIB),
    "stm32l4r5": ("Cortex-M4F", 120, 640 * KIB, 2 * MIB),
    "stm32u585": ("Cortex-M33", 160, 768 * KIB, 2 * MIB),
    "imxrt1062": ("Cortex-M7", 600, 512 * KIB, 8 * MIB),
    "nrf52840": ("Cortex-M4F", 64, 256 * KIB, 1 * MIB),
    "nrf5340": ("Cortex-M33", 128, 512 * KIB, 1 * MIB),
    "rp2040": ("Cortex-M0+", 133, 264 * KIB, 2 * MIB),
    "rp2350": ("Cortex-M33", 150, 520 * KIB, 4 * MIB),
    "pico2-riscv": ("RISC-V RV32IMAC", 150, 520 * KIB, 4 * MIB),
    "esp32-s3": ("Xtensa LX7", 240, 416 * KIB, 8 * MIB),
    "ensemble-e7-hp": ("Cortex-M55", 400, 4 * MIB, 5632 * KIB),
    "psoc-edge-e84": ("Cortex-M55", 400, 5 * MIB, 16 * MIB),
    "ra8p1": ("Cortex-M85", 1000, 1664 * KIB, 1 * MIB),
    "ebs-small": ("Cortex-M4F", 100, 262_144, 1_000_000),
    "ebs-large": ("Cortex-M7", 480, 524_288, 2_000_000),
}


def mistakes(text: str) -> list[tuple[str, str, str, str]]:
    """Code, place, message and hint of every mistake in a target file."""
    with pytest.raises(TargetError) as caught:
        read_target(text, "b.yaml")
    return [(d.code, str(d.span), d.message, d.hint) for d in caught.value.diagnostics]


def compatible(a: str, b: str) -> bool:
    """Whether some part number begins with both prefixes; `?` is any one character."""
    return all(x == y or "?" in (x, y) for x, y in zip(a, b, strict=False))


# The catalogue


@pytest.mark.parametrize("name", FACTS)
def test_facts(name: str) -> None:
    core, clock_mhz, ram, rom = FACTS[name]
    target = load_target(name)
    assert (target.name, target.core, target.clock_hz, target.ram, target.rom) == (
        name,
        core,
        clock_mhz * 10**6,
        ram,
        rom,
    )


def test_h743_keeps_activations_in_the_axi_sram_of_its_megabyte() -> None:
    target = load_target("stm32h743")
    assert [r.name for r in target.regions if r.activations] == ["AXI SRAM"]
    assert sum(r.size for r in target.regions if r.kind == "ram") == 1056 * KIB
    assert target.ram_region.address == 0x24000000


def test_l432_notes_what_the_monas_paper_says() -> None:
    assert "MONAS paper quotes the L43 with 128 KiB" in load_target("stm32l432").source


@pytest.mark.parametrize("name", ["imxrt1062", "rp2040", "rp2350", "esp32", "esp32-s3", "esp32-c3", "esp32-c6"])
def test_off_chip_flash_is_said_so(name: str) -> None:
    assert "the flash is off-chip" in load_target(name).source


@pytest.mark.parametrize("target", catalogue(), ids=lambda target: target.name)
def test_every_entry_is_sound(target: Target) -> None:
    assert target.name == target.name.lower()
    assert target.title
    assert target.core
    assert len(target.source) > 30
    assert 16 * 10**6 <= target.clock_hz <= 10**9
    assert 8 * KIB <= target.ram <= 8 * MIB
    assert target.asks_rom or 128 * KIB <= target.rom <= 16 * MIB
    assert all((r.size > 0 or r.external) and r.source == target.source for r in target.regions)
    assert all(r.kind == "ram" for r in target.regions if r.activations)
    assert hash(target) == hash(pickle.loads(pickle.dumps(target)))
    for alias in (target.name, *target.boards, *(p.replace("?", "z") for p in target.parts)):
        assert load_target(alias) == target


def test_a_chip_without_flash_is_asked_for() -> None:
    """Of the catalogue and of a user; what the board has is said, and RAM is never the board's."""
    for bare in (
        load_target("NUCLEO-N657X0-Q"),
        read_target(GOOD.replace("1 MiB", "external at 0x90000000"), "b.yaml"),
    ):
        with pytest.raises(TargetError, match="has no flash of its own: how much a program may take is the board's"):
            assert bare.rom
        told = bare.with_rom(MIB)
        assert (told.rom, told.ram, told.asks_rom) == (MIB, bare.ram, True)
    code, place, message, _ = mistakes(GOOD.replace("256 KiB", "external"))[0]
    assert (code, place, message) == ("unit-number", "b.yaml:5:6", "`external` is not a number of bytes")


def test_regions_of_a_target_do_not_overlap() -> None:
    for target in catalogue():
        placed = sorted((r.address, r.size) for r in target.regions if r.address is not None)
        assert all(a + size <= b for (a, size), (b, _) in pairwise(placed)), target.name


def test_names_and_aliases_are_unambiguous() -> None:
    assert len({plain_name(t.name) for t in catalogue()}) == len(catalogue())
    for a, b in combinations(catalogue(), 2):
        exact_a = {plain_name(n) for n in (a.name, *a.boards)}
        exact_b = {plain_name(n) for n in (b.name, *b.boards)}
        assert not exact_a & exact_b
        assert not any(b.answers_to(n) for n in exact_a)
        assert not any(a.answers_to(n) for n in exact_b)
        assert not any(compatible(plain_name(p), plain_name(q)) for p in a.parts for q in b.parts)


ENTRY = "- {name: %s, core: M4, clock: 1 MHz, flash: 1 MiB, ram: 1 KiB, parts: [%s], boards: [%s]}\n"


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (("chip", "", ""), ("Chip", "", ""), "`Chip` of `Chip` is also `chip` of `chip`"),
        (("chip", "", ""), ("x", "", "CH-IP"), "`CH-IP` of `x` is also `chip` of `chip`"),
        (("chip", "", "one board"), ("x", "", "One.Board"), "`One.Board` of `x` is also `one board` of `chip`"),
        (("chip", "AB?D", ""), ("abcd-x", "", ""), "`abcd-x` of `abcd-x` is also `AB?D` of `chip`"),
        (("chip", "AB?D", ""), ("x", "ABC", ""), "`ABC` of `x` is also `AB?D` of `chip`"),
        (("chip", "ABC", ""), ("x", "ABCD?", ""), "`ABCD?` of `x` is also `ABC` of `chip`"),
        (("chip", "AB?D", ""), ("x", "ABCE", "abc"), None),
        (("chip", "ABC", "b1"), ("chip2", "ABD", "b11"), None),
    ],
)
@pytest.mark.parametrize("apart", [False, True])
def test_two_entries_of_one_name_are_refused(
    first: tuple[str, ...], second: tuple[str, ...], message: str | None, apart: bool, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text("# one\n" + ENTRY % first + ("" if apart else ENTRY % second))
    (tmp_path / "b.yaml").write_text(ENTRY % second if apart else "[]")
    if message is None:
        assert len(read_catalogue(tmp_path)) == 2
        return
    with pytest.raises(TargetError) as caught:
        read_catalogue(tmp_path)
    (found,) = caught.value.diagnostics
    place = "b.yaml:1:10" if apart else "a.yaml:3:10"
    assert (found.code, str(found.span), found.message) == ("ambiguous-target", place, f"{message} at a.yaml:2:10")


def test_the_catalogue_has_the_expected_breadth_and_is_sorted() -> None:
    names = [t.name for t in catalogue()]
    assert names == sorted(names)
    assert len(names) >= 50
    assert {n[:5] for n in names} >= {"stm32", "nrf52", "imxrt", "esp32", "ebs-s"}


def test_nothing_is_read_at_import() -> None:
    code = (
        "import spaces.targets.catalogue as t; assert t.catalogue.cache_info().currsize == 0; "
        "assert t._entries.cache_info().currsize == 0; t.load_target('rp2040'); "
        "assert t._entries.cache_info().currsize < 4, 'reads more files than the name asks for'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


# From a name to a target


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("STM32F412", "stm32f412"),
        ("STM32F412ZGT6", "stm32f412"),
        ("STM32F412ZET6", "stm32f412xe"),
        ("NUCLEO-F412ZG", "stm32f412"),
        ("nucleo_f746zg", "stm32f746"),
        ("nucleo f746zg", "stm32f746"),
        ("STM32L432KC", "stm32l432"),
        ("STM32H743ZIT6U", "stm32h743"),
        ("i.MX RT1062", "imxrt1062"),
        ("MIMXRT1062DVL6B", "imxrt1062"),
        ("Teensy 4.1", "imxrt1062"),
        ("Teensy 4.0", "teensy40"),
        ("Arduino Nano 33 BLE Sense", "nrf52840"),
        ("thingy:53", "nrf5340"),
        ("ESP32-S3-WROOM-1", "esp32-s3"),
        ("esp32s3", "esp32-s3"),
        ("ESP32", "esp32"),
        ("EBS_small", "ebs-small"),
    ],
)
def test_lookup(name: str, expected: str) -> None:
    assert load_target(name).name == expected


LISTING = "`nascompile mcus` lists them; a board of your own goes into a file, `--mcu my_board.yaml`"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("stm32f413", f"did you mean `stm32f412` or `stm32f411` or `stm32f401`? {LISTING}"),
        ("NUCLEO-F746ZE", f"did you mean `NUCLEO-F746ZG` or `NUCLEO-F446ZE` or `NUCLEO-F767ZI`? {LISTING}"),
        ("zx81", LISTING),
        ("", LISTING),
    ],
)
def test_unknown_names_get_near_ones(name: str, hint: str) -> None:
    with pytest.raises(TargetError) as caught:
        load_target(name)
    assert str(caught.value) == f"unknown MCU `{name}` [unknown-mcu]\n  {hint}"


def test_a_chip_with_another_flash_is_not_taken_for_the_one_we_have() -> None:
    with pytest.raises(TargetError, match="unknown MCU `STM32F746ZET6`"):
        load_target("STM32F746ZET6")


def test_a_very_long_name_is_cut() -> None:
    with pytest.raises(TargetError) as caught:
        load_target("stm32" * 100_000)
    assert len(str(caught.value)) < 400


@given(st.sampled_from(catalogue()), st.data())
def test_case_and_punctuation_do_not_matter(target: Target, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from((target.name, *target.boards)))
    letters = [data.draw(st.sampled_from((c.lower(), c.upper(), "-" + c, c + "_", " " + c))) for c in plain_name(name)]
    assert load_target("".join(letters)) == target


# A user's own file


def test_a_minimal_file(tmp_path: Path) -> None:
    file = tmp_path / "my_board.yaml"
    file.write_text(GOOD)
    assert load_target(file) == load_target(str(file))
    assert load_target(file) == Target(
        name="mine",
        title="mine",
        core="Cortex-M4F",
        clock_hz=120_000_000,
        regions=(Region("flash", "flash", MIB, False), Region("ram", "ram", 256 * KIB, True)),
    )


def test_a_full_file() -> None:
    text = GOOD.replace("ram: 256 KiB", "ram: {SRAM: 64 KiB at 0x20000000, CCM: 128 kB, TCM: 4096}") + (
        "activations: [SRAM, TCM]\ntitle: My board\nparts: ABC?12\nboards: [Board One, b2]\nsource: its data sheet\n"
        "runtime: {conv: 1.2 kB, relu: 0}\n"
    )
    target = read_target(text, "b.yaml")
    assert (target.ram, target.rom, target.title) == (64 * KIB, MIB, "My board")
    assert target.regions[1:] == (
        Region("SRAM", "ram", 65_536, True, "its data sheet", 0x20000000),
        Region("CCM", "ram", 128_000, False, "its data sheet"),
        Region("TCM", "ram", 4096, True, "its data sheet"),
    )
    assert target.runtime == {"conv": 1200, "relu": 0}
    assert (target.parts, target.boards) == (("ABC?12",), ("Board One", "b2"))
    assert target.answers_to("abcx12-rev7")


def test_a_catalogue_entry_is_a_target_file() -> None:
    text = (Path(__file__).parents[2] / "spaces/targets/silabs.yaml").read_text()
    entry = "\n".join(line[2:] for line in text.splitlines())
    assert read_target(entry, "own.yaml") == load_target("efr32mg24")


@pytest.mark.parametrize("name", ["absent.yaml", "absent.yml", "absent.YAML", "./absent", "a/b", "a\\b"])
def test_paths_are_known_by_suffix_or_separator(name: str) -> None:
    with pytest.raises(TargetError) as caught:
        load_target(name)
    assert [d.code for d in caught.value.diagnostics] == ["unreadable-file"]


def test_folders_and_other_encodings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="unreadable-file"):
        load_target(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(GOOD.encode() + b"title: \xe9\n")
    with pytest.raises(TargetError, match="not-utf8"):
        load_target(tmp_path / "latin.yaml")


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file() -> None:
    text = (
        "name: 12\n"
        "core: [a]\n"
        "clok: 100 MHz\n"
        "flash: 1 MB at 8000000\n"
        "ram: {SRAM: 256 KB, CCM: -64 KiB, X: }\n"
        "activations: [SRAN]\n"
        "parts: [1, STM]\n"
        "runtime: {conv: 0, fc: x, pool: false}\n"
    )
    ambiguous = "`256 KB` is ambiguous: `KB` is 1,024 bytes in some data sheets and 1,000 in others"
    size_hint = "write for example `256 KiB`, `1 MB` or `262144`"
    assert mistakes(text) == [
        ("missing-key", "b.yaml:1:1", "the key `clock` is missing", "add for example `clock: 100 MHz`"),
        ("wrong-type", "b.yaml:1:7", "`name` must be text, not `12`", "put it in quotes"),
        ("wrong-type", "b.yaml:2:7", "`core` must be text, not `['a']`", "write a word"),
        ("unknown-key", "b.yaml:3:1", "unknown key `clok`", "did you mean `clock`?"),
        (
            "wrong-address",
            "b.yaml:4:8",
            "`8000000` is not an address",
            "write at most 8 hexadecimal digits, for example `0x20000000`",
        ),
        ("unit-ambiguous", "b.yaml:5:13", ambiguous, "write `256 KiB` (262,144 B) or `256 kB` (256,000 B)"),
        ("unit-positive", "b.yaml:5:26", "`-64 KiB` is not above zero", size_hint),
        ("unit-empty", "b.yaml:5:35", "the text is empty where a number of bytes belongs", size_hint),
        ("unknown-region", "b.yaml:6:15", "`ram` has no region `SRAN`", "did you mean `SRAM`?"),
        ("wrong-type", "b.yaml:7:9", "`parts` must be texts, not `1`", "put it in quotes"),
        ("unit-number", "b.yaml:8:24", "`x` is not a number of bytes", size_hint),
        ("unit-number", "b.yaml:8:33", "`False` is not a number of bytes", size_hint),
    ]


def test_a_mistake_shows_the_line_with_carets() -> None:
    with pytest.raises(TargetError) as caught:
        read_target(GOOD.replace("256 KiB", "256KB"), "b.yaml")
    assert str(caught.value) == (
        "b.yaml:5:6: `256KB` is ambiguous: `KB` is 1,024 bytes in some data sheets and 1,000 in others"
        " [unit-ambiguous]\n"
        "  5 | ram: 256KB\n"
        "    |      ^^^^^\n"
        "  write `256 KiB` (262,144 B) or `256 kB` (256,000 B)"
    )


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("", "wrong-type", "b.yaml:1:1"),
        ("just text", "wrong-type", "b.yaml:1:1"),
        ("- " + GOOD.replace("\n", "\n  "), "wrong-type", "b.yaml:1:1"),
        (GOOD + "core: x\n", "duplicate-key", "b.yaml:6:1"),
        (GOOD + "\tx: 1\n", "tab", "b.yaml:6:1"),
        (GOOD + "title: {a: \n", "yaml-syntax", "b.yaml:7:1"),
        (GOOD + "title: 3\n", "wrong-type", "b.yaml:6:8"),
        (GOOD + "title:\n", "wrong-type", "b.yaml:6:1"),
        (GOOD + "parts: {a: b}\n", "wrong-type", "b.yaml:6:8"),
        (GOOD + "boards:\n  -\n", "wrong-type", "b.yaml:7:4"),
        (GOOD + "boards: '--'\n", "wrong-type", "b.yaml:6:9"),
        (GOOD + "activations: []\n", "wrong-value", "b.yaml:6:14"),
        (GOOD + "activations: SRAM\n", "unknown-region", "b.yaml:6:14"),
        (GOOD + "runtime: 3\n", "wrong-type", "b.yaml:6:10"),
        (GOOD + "runtime: {conv: 1 K}\n", "unit-ambiguous", "b.yaml:6:17"),
        (GOOD.replace("120 MHz", "120"), "unit-missing", "b.yaml:3:8"),
        (GOOD.replace("120 MHz", ""), "unit-empty", "b.yaml:3:1"),
        (GOOD.replace("1 MiB", "{}"), "wrong-type", "b.yaml:4:8"),
        (GOOD.replace("1 MiB", ""), "unit-empty", "b.yaml:4:1"),
        (GOOD.replace("1 MiB", "[1 MiB]"), "unit-number", "b.yaml:4:8"),
        (GOOD.replace("1 MiB", "true"), "unit-number", "b.yaml:4:8"),
        (GOOD.replace("1 MiB", "0.3"), "unit-whole", "b.yaml:4:8"),
        (GOOD.replace("mine", "../etc"), "wrong-name", "b.yaml:1:7"),
        (GOOD.replace("name: mine\n", ""), "missing-key", "b.yaml:1:1"),
    ],
)
def test_single_mistakes(text: str, code: str, place: str) -> None:
    assert [(c, p) for c, p, _, _ in mistakes(text)] == [(code, place)]


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab1 KiBM:-@'\"", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab1", max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(["name", "core", "clock", "flash", "ram", "activations", "parts", "runtime"]), plain_values)
def test_any_value_gives_a_target_or_a_target_error(key: str, value: object) -> None:
    lines = [line for line in GOOD.splitlines() if not line.startswith(f"{key}:")]
    text = "\n".join([*lines, f"{key}: {json.dumps(value)}"])
    spans, ram = [], 0
    try:
        ram = read_target(text, "b.yaml").ram
    except TargetError as error:
        spans = [d.span for d in error.diagnostics]
    assert ram > 0 or (spans and None not in spans)
