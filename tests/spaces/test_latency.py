"""Latency profiles: what an operator takes, the file form and its mistakes, and which operators a device runs."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.blocks.conv import conv
from spaces.blocks.depthwise import depthwise
from spaces.blocks.preact_residual import preact_residual
from spaces.costs.energy import Energy
from spaces.costs.latency import LatencyProfile
from spaces.costs.latency_file import check_name, profile_text, read_profile, write_profile
from spaces.costs.latency_profiles import latency_runtimes, load_profile, named_profile, profile_for, profiles
from spaces.costs.prices import LatencyError, StatedError, Terms
from spaces.errors import FileError
from spaces.language.reader import load_space
from spaces.operators import LOOPS, KernelCall, Op
from spaces.operators.shuffle import shuffle_op
from spaces.operators.split import split_op
from spaces.program.priced import prices
from spaces.runtimes.tflite_micro import executed, shape_key
from spaces.targets.catalogue import catalogue, load_target
from spaces.tensors import Shape

X = Shape(16, 8, 8)
GOOD = "name: mine\ndtype: int8\nkinds: {conv: {mac: 4.5}}\n"


def mistakes(text: str) -> list[tuple[str, str, str, str]]:
    """Code, place, message and hint of every mistake in a profile file."""
    with pytest.raises(LatencyError) as caught:
        read_profile(text, "p.yaml")
    return [(d.code, str(d.span), d.message, d.hint) for d in caught.value.diagnostics]


# What an operator takes


def test_terms_add_up_exactly_and_are_rounded_once() -> None:
    profile = LatencyProfile("p", "int8", kinds={"conv": Terms(Fraction("0.3"), Fraction("0.1"), Fraction("0.1"))})
    # 0.3 * 1 + 0.1 * 1 + 0.1 = 0.5 exactly, which binary floating point misses; a half goes up.
    assert profile.op_ns("conv", macs=1, outputs=1) == 1
    assert profile.op_ns("conv", macs=1, outputs=0) == 0


def test_the_table_comes_before_the_terms_and_these_before_the_default() -> None:
    profile = LatencyProfile(
        "p",
        "int8",
        kinds={"conv": Terms(op=Fraction(5))},
        default=Terms(op=Fraction(7)),
        table={"conv": {"a": 3}, "add": {"a": 2}},
    )
    cases = [("conv", "a"), ("conv", "b"), ("add", "a"), ("add", "b"), ("relu", "a")]
    assert [profile.op_ns(kind, 0, 0, shape) for kind, shape in cases] == [3, 5, 2, 7, 7]


def test_an_uncovered_kind_is_an_error_that_names_the_covered_ones() -> None:
    profile = LatencyProfile("p", "int8", kinds={"conv": Terms(), "depthwise": Terms()}, table={"add": {"a": 1}})
    with pytest.raises(LatencyError) as caught:
        profile.op_ns("depthwize", 1, 1)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == (
        "latency-no-kind",
        "the latency profile `p` has no operator kind `depthwize`",
    )
    assert diagnostic.hint.startswith("did you mean `depthwise`?")
    with pytest.raises(LatencyError, match="has `add` only in its table, and not `b`"):
        profile.op_ns("add", 1, 1, "b")


def test_cycles_are_of_the_stated_clock() -> None:
    profile = LatencyProfile(
        "p",
        "int8",
        clock_hz=128_000_000,
        unit="cycles",
        network=Fraction(128),
        kinds={"conv": Terms(mac=Fraction("5.5"))},
        table={"conv": {"a": 64}},
    )
    assert profile.network_ns == 1000
    assert profile.op_ns("conv", 100, 1) == 4297  # 550 cycles of 7.8125 ns: 4296.875
    assert profile.op_ns("conv", 100, 1, "a") == 500


def test_a_layer_is_the_sum_over_its_deployed_operators() -> None:
    ops = depthwise(X, kernel=(3, 3))
    profile = LatencyProfile("p", "int8", default=Terms(Fraction(2), Fraction(3), Fraction(5)))
    assert profile.layer_ns(ops, X) == 2 * ops[0].macs + 3 * ops[0].out.size + 5


# Operators on a device


def kinds(*ops: Op, x: Shape = X) -> list[str]:
    return [op.kind for op in executed(ops, x)]


RELU = Op("relu", (0,), X, activation="relu")
POOL = Op("avg_pool", (0,), X, kernel=(3, 3))


def convolution(source: int, kernel: int = 3, groups: int = 1) -> Op:
    return Op("conv", (source,), X, weights=9, macs=99, kernel=(kernel, kernel), groups=groups)


def test_a_relu_is_free_where_only_it_reads_what_it_clamps() -> None:
    assert kinds(RELU, convolution(1)) == ["conv"]
    assert kinds(RELU) == []
    # The pooling needs the value before the clamp.
    assert kinds(RELU, convolution(1), Op("avg_pool", (0,), X), Op("add", (2, 3), X)) == [
        "relu",
        "conv",
        "avg_pool",
        "add",
    ]


def test_a_relu_behind_an_operator_that_cannot_clamp_runs() -> None:
    assert kinds(Op("zeros", (0,), X), Op("relu", (1,), X)) == ["zeros", "relu"]
    assert kinds(POOL, Op("relu", (1,), X)) == ["avg_pool"]


def test_a_relu_runs_where_the_unclamped_value_leaves_the_layer() -> None:
    view = Op("identity", (1,), X)
    assert kinds(POOL, Op("relu", (1,), X), view) == ["avg_pool", "relu"]


def test_equal_operators_run_once_but_weights_make_a_difference() -> None:
    assert kinds(RELU, convolution(1), RELU, convolution(3), Op("add", (2, 4), X)) == ["conv", "conv", "add"]
    assert kinds(POOL, POOL, Op("add", (1, 2), X)) == ["avg_pool", "add"]


def test_sums_are_binary_and_views_cost_nothing() -> None:
    assert kinds(POOL, Op("add", (0, 0, 1), X)) == ["avg_pool", "add", "add"]
    assert kinds(Op("linear", (0, 0), Shape(3), weights=3, macs=3)) == ["add", "linear"]
    assert kinds(Op("flatten", (0,), Shape(1024)), Op("linear", (1,), Shape(3), weights=3072, macs=3072)) == ["linear"]


def test_special_convolutions_are_of_their_own_kind() -> None:
    assert kinds(convolution(0), convolution(1, kernel=1), convolution(2, groups=16), convolution(3, groups=4)) == [
        "conv",
        "pointwise",
        "depthwise",
        "conv",
    ]


def test_the_residual_block_of_nas_bench_201_keeps_its_relu_since_the_skip_reads_the_same_input() -> None:
    ops = preact_residual(Shape(16, 32, 32), filters=32)
    assert sorted(kinds(*ops, x=Shape(16, 32, 32))) == ["add", "avg_pool", "conv", "conv", "pointwise", "relu"]


def test_shape_keys_tell_shapes_windows_strides_and_groups_apart() -> None:
    ops = [
        conv(X, filters=4)[0],
        conv(X, filters=8)[0],
        conv(X, filters=4, kernel=(5, 5))[0],
        conv(X, filters=4, kernel=(1, 1))[0],
        conv(X, filters=4, kernel=(1, 1), stride=(2, 2))[0],
        conv(X, filters=4, groups=2)[0],
        conv(X, filters=4, stride=(2, 2))[0],
    ]
    assert len({shape_key(X, op) for op in ops}) == len(ops)
    assert executed(conv(X, filters=4), X)[0].shape_key == shape_key(X, ops[0])


# The file form

TIMES = st.decimals(0, 10**6, places=4, allow_nan=False).map(Fraction)
WORDS = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
TERMS = st.builds(Terms, TIMES, TIMES, TIMES)
FIGURES = st.floats(0, 1, allow_nan=False).map(lambda x: round(x, 6))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).map(str.strip)
PRICES = {
    "network": TIMES,
    "kinds": st.dictionaries(WORDS, TERMS, min_size=1, max_size=3),
    "default": st.none() | TERMS,
    "table": st.dictionaries(WORDS, st.dictionaries(TEXTS.filter(bool), TIMES, max_size=2), max_size=2),
    "error": st.none() | st.builds(StatedError, FIGURES, FIGURES, FIGURES, st.integers(0, 999), TEXTS),
}
PROFILES = st.builds(
    LatencyProfile,
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,9}", fullmatch=True).map(str.strip),
    st.sampled_from(["int8", "float32"]),
    TEXTS,
    st.integers(1, 10**9),
    TEXTS,
    unit=st.sampled_from(["ns", "cycles"]),
    energy=st.none() | st.builds(Energy, **PRICES),
    **PRICES,
)


@given(PROFILES)
def test_written_and_read_back_it_is_the_same(profile: LatencyProfile) -> None:
    again = read_profile(profile_text(profile), "p.yaml")
    assert again == profile
    assert profile_text(again) == profile_text(profile)


def test_halves_of_a_split_and_shuffles_of_other_groups_are_operators_of_their_own() -> None:
    halves = (split_op(X, 0, X.channels // 2), split_op(X, X.channels // 2, X.channels))
    assert kinds(*halves) == ["split", "split"]
    assert kinds(halves[0], halves[0]) == ["split"]
    assert kinds(shuffle_op(X, 2), shuffle_op(X, 4)) == ["shuffle", "shuffle"]


@pytest.mark.parametrize("name", profiles())
def test_every_file_of_the_library_is_written_as_it_was_read(name: str) -> None:
    text = profiles()[name].read_text()
    assert profile_text(read_profile(text, "p.yaml")) == text


def test_a_time_without_last_digit_is_written_to_twenty_decimals() -> None:
    profile = LatencyProfile("p", "int8", default=Terms(mac=Fraction(1, 3)))
    assert "default: {mac: 0.33333333333333333333}" in profile_text(profile)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    write_profile(read_profile(GOOD, "p.yaml"), path)
    assert load_profile(path) == read_profile(GOOD, "p.yaml")
    assert [p.name for p in tmp_path.iterdir()] == ["p.yaml"]
    with pytest.raises(FileError, match="cannot write"):
        write_profile(read_profile(GOOD, "p.yaml"), tmp_path / "missing" / "p.yaml")


def test_all_mistakes_at_once_with_their_places() -> None:
    text = (
        "name: '!'\ndtype: int7\nclock: 12\nunit: hours\nnetwork: -1\nknds: {}\n"
        "kinds:\n  conv: {mac: fast, macs: 3}\n  add: 7\ntable:\n  conv: 5\n  add: {8: 1, '9': 1e15}\n"
        "error: {median: -1, p90: 1, spearman: 2}\n"
    )
    with pytest.raises(LatencyError, match="a key must be a word"):
        read_profile(text, "p.yaml")
    found = mistakes(text.replace("{8: 1, ", "{"))
    assert [(code, place) for code, place, _, _ in found] == [
        ("wrong-name", "p.yaml:1:7"),
        ("wrong-value", "p.yaml:2:8"),
        ("unit-missing", "p.yaml:3:8"),
        ("wrong-value", "p.yaml:4:7"),
        ("wrong-value", "p.yaml:5:10"),
        ("unknown-key", "p.yaml:6:1"),
        ("wrong-type", "p.yaml:8:15"),
        ("unknown-key", "p.yaml:8:21"),
        ("wrong-type", "p.yaml:9:8"),
        ("wrong-type", "p.yaml:11:9"),
        ("wrong-value", "p.yaml:12:14"),
        ("missing-key", "p.yaml:13:1"),
        ("wrong-value", "p.yaml:13:17"),
        ("wrong-value", "p.yaml:13:39"),
    ]
    assert all(hint for _, _, _, hint in found)
    assert found[5][3] == "did you mean `kinds`?"


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("[1]\n", "wrong-type", "a latency profile is a mapping of keys"),
        ("", "wrong-type", "a latency profile is a mapping of keys"),
        ("dtype: int8\nkinds: {a: {}}\n", "missing-key", "the key `name` is missing"),
        ("name: a\nkinds: {a: {}}\n", "missing-key", "the key `dtype` is missing"),
        ("name: a\ndtype: int8\n", "missing-key", "the profile says nothing about operators"),
        (GOOD + "boards: 0\n", "wrong-value", "`boards` cannot be `0`"),
        (GOOD + "guessed: add\n", "wrong-type", "`guessed` must list kinds"),
        (GOOD + "network:\n", "wrong-type", "`network` must be a number, not nothing"),
        (GOOD + "network: true\n", "wrong-type", "`network` must be a number, not `True`"),
        (GOOD + "default: 3\n", "wrong-type", "`default` must give terms, not `3`"),
        (GOOD + "table: 3\n", "wrong-type", "`table` must be a mapping, not `3`"),
        (GOOD + "error: 3\n", "wrong-type", "`error` must be a mapping, not `3`"),
        (GOOD + "core: 33\n", "wrong-type", "`core` must be text, not `33`"),
        (GOOD + "error: {median: 1, p90: 1, spearman: 1, rows: 1.5}\n", "wrong-value", "`rows` cannot be `1.5`"),
        (GOOD + "error: {median: 1, p90: 1, spearman: 1, rows: 1, how: 3}\n", "wrong-type", "`how` must be text"),
        ("name: a\nname: b\n", "duplicate-key", "the key `name` is given twice"),
        ("name: [\n", "yaml-syntax", "not valid YAML"),
    ],
)
def test_a_mistake_has_its_message(text: str, code: str, message: str) -> None:
    found = mistakes(text)
    assert [f[0] for f in found] == [code]
    assert found[0][2].startswith(message)
    assert found[0][1].startswith("p.yaml:")
    assert found[0][3]


def test_names_that_no_file_could_hold_are_refused() -> None:
    check_name("nRF 5340+x")
    for name in ("", "../up", "a\nb", "-a", "x" * 61):
        with pytest.raises(LatencyError, match="is not a name"):
            check_name(name)


# The library


def test_every_profile_of_the_library_says_what_ran_where_and_how_wrong_it_is() -> None:
    for name in profiles():
        profile = load_profile(name)
        assert profile.runtime in latency_runtimes()
        assert profile.version
        assert profile.error is not None
        if name in ("nrf5340", "stm32h747"):
            target = load_target(name)
            assert (profile.name, profile.core) == (target.name, target.core)
            assert profile.clock_hz <= target.clock_hz
        elif not profile.loops:
            assert name.rpartition("-")[0] == profile.runtime
            assert (profile.unit, profile.clock_hz) == ("cycles", 0)
            assert all(terms.output and (terms.mac or terms.op) for terms in profile.kinds.values())
            assert "default" in profile.guessed
            assert profile.default is not None


def test_auto_takes_the_runtime_that_is_named_and_never_what_cannot_price_the_space() -> None:
    nrf, st, nordic = (load_target(name) for name in ("nrf5340", "stm32u585", "nrf52840"))
    cells, dscnn = load_space("nasbench201", ["dtype=int8"]), load_space("dscnn", ["dtype=int8"])
    taken = [profile_for(nrf, "int8", None, lambda p, space=space: prices(p, space)) for space in (cells, dscnn)]
    assert [p and p.name for p in taken] == ["nrf5340", "plumerai-m33@128MHz"]
    named = [profile_for(st, "int8", name) for name in (None, "HALE", "x_cube_ai", "nascompile-c")]
    assert [p and p.runtime for p in named] == ["x-cube-ai", "hale", "x-cube-ai", "nascompile-c"]
    other = profile_for(nordic, "int8")  # no chip of ST
    assert other is not None
    assert (other.name, other.boards) == ("tflite-micro-m4@64MHz", 1)


def test_a_stem_is_priced_as_such_or_as_a_convolution() -> None:
    profile = LatencyProfile("mine", "int8", kinds={"conv": Terms(mac=Fraction(2))})
    both = replace(profile, kinds={**profile.kinds, "stem": Terms(mac=Fraction(5))})
    for channels, expected in ((3, 5), (4, 2)):
        x = Shape(channels, 8, 8)
        (op,) = conv(x, filters=2)
        assert profile.layer_ns((op,), x) == 2 * op.macs
        assert both.layer_ns((op,), x) == expected * op.macs


def test_every_profile_of_our_own_c_covers_all_kernels_and_says_what_it_is() -> None:
    own = [name for name in profiles() if name.startswith("nascompile-c-")]
    assert set(own) >= {f"nascompile-c-{core}-{dtype}" for core in ("m4", "m7") for dtype in ("int8", "float32")}
    for name in own:
        profile = load_profile(name)
        unit = "estimated cycles" if name.endswith("-cycles") else "instructions"
        assert (profile.name, profile.unit, profile.clock_hz) == (name, unit, 0)
        assert set(profile.loops) == set(LOOPS[profile.dtype])
        assert {"instructions": "are not cycles", "estimated cycles": "no wait states"}[unit] in profile.source
        assert profile.error is not None
        assert profile.error.median <= 0.05
        assert any(target.core == profile.core for target in catalogue())


def test_our_own_c_is_found_by_core_and_type_and_taken_at_the_clock() -> None:
    profile = named_profile("Nascompile-C", load_target("stm32f746"), "float32")
    assert (profile.name, profile.clock_hz) == ("nascompile-c-m7-float32@216MHz", 216_000_000)
    assert read_profile(profile_text(profile), "p.yaml").loops == profile.loops
    call = KernelCall("add", Shape(16, 8, 8), Shape(16, 8, 8))
    assert profile.call_amount(call) == load_profile("nascompile-c-m7-float32").call_amount(call)
    add = Op("add", (0, 0), Shape(16, 8, 8))
    assert profile.layer_ns((add,), Shape(16, 8, 8)) == round(profile.call_amount(call) * 10**9 / 216_000_000)
    # Where an instruction has a price, by estimated cycles; instructions by themselves are asked for.
    cycles, counted = (named_profile("nascompile-c", load_target("rp2040"), "int8", unit)
                       for unit in (None, "instructions"))  # fmt: skip
    assert (cycles.unit, counted.unit) == ("estimated cycles", "instructions")
    assert (cycles.name, cycles.clock_hz) == ("nascompile-c-m0plus-int8-cycles@133MHz", 133_000_000)
    assert read_profile(profile_text(cycles), "p.yaml") == cycles
    assert 1 < cycles.call_amount(call) / counted.call_amount(call) < 2
    with pytest.raises(LatencyError, match="another core, and no MCU"):
        named_profile("nascompile-c", None, "int8")
    with pytest.raises(LatencyError, match="not counted on a Cortex-M0\\+ in float32"):
        named_profile("nascompile-c", load_target("rp2040"), "float32")
    with pytest.raises(LatencyError, match="no clock says how long one takes"):
        load_profile("nascompile-c-m7-float32").layer_ns((add,), Shape(16, 8, 8))
    # A profile in nanoseconds is taken as it is, whatever the target.
    assert named_profile("nrf5340", load_target("stm32f746"), "int8") == load_profile("nrf5340")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("loops: {ad: {call: 1}}", ("unknown-key", "unknown kernel `ad`")),
        ("loops: {add: 3}", ("wrong-type", "`add` must map loops to amounts, not `3`")),
        ("loops: {add: {cal: 1}}", ("unknown-key", "unknown key `cal`")),
        ("loops: {add: {call: -1}}", ("wrong-value", "`call`: -1 is negative")),
        ("loops: {add: {call: 1}}\ndefault: {mac: 2}", ("mixed-model", "`loops` beside `default`")),
        ("unit: instruction\ndefault: {mac: 2}", ("wrong-value", "`unit` cannot be `instruction`")),
    ],
)
def test_mistakes_in_loops(text: str, expected: tuple[str, str]) -> None:
    found = mistakes(f"name: mine\ndtype: int8\n{text}\n")
    assert [(code, message) for code, _, message, _ in found] == [expected]


def test_a_kernel_without_loops_is_an_error_that_names_the_covered_ones() -> None:
    profile = read_profile("name: mine\ndtype: int8\nclock: 1 GHz\nunit: cycles\nloops: {add: {call: 1}}\n", "p.yaml")
    with pytest.raises(LatencyError, match="no operator kind `conv`") as caught:
        profile.layer_ns(conv(X, filters=4), X)
    assert "add" in caught.value.diagnostics[0].hint


def test_names_are_found_whatever_their_case_and_near_misses_are_named() -> None:
    assert load_profile("NRF-5340").name == "nrf5340"
    with pytest.raises(LatencyError, match="did you mean `stm32h747`") as caught:
        load_profile("stm32h74")
    assert caught.value.diagnostics[0].code == "unknown-latency-profile"
    with pytest.raises(LatencyError, match="cannot read the file"):
        load_profile("./missing.yaml")


def test_the_nrf5340_needs_the_milliseconds_that_were_measured() -> None:
    # A 3x3 convolution of 16 channels at 32x32: 2.36 M MACs of some 5.5 cycles at 128 MHz.
    profile = load_profile("nrf5340")
    assert profile.op_ns("conv", 2_359_296, 16_384) == pytest.approx(100e6, rel=0.05)
    with pytest.raises(LatencyError, match="no operator kind `depthwise`"):
        profile.op_ns("depthwise", 1, 1)


def test_the_stm32h747_covers_every_kind() -> None:
    profile = load_profile("stm32h747")
    assert all(profile.op_ns(kind, 10**6, 10**4) > 10**6 for kind in ("conv", "depthwise", "add", "flatten"))
