"""Helium: every operator on an emulated Cortex-M55 is the reference bit for bit, and writes only where it may."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest

from nascompile.compression.quantised import QuantisedNetwork
from nascompile.deploy.core import CORES
from nascompile.deploy.deploy import deploy, verify
from nascompile.deploy.deployable import untrained
from spaces.operators import Kernel
from spaces.operators.kernel import instruction_set
from spaces.program.breakdown import totals
from spaces.targets.catalogue import load_target
from spaces.tensors import Shape
from tests.deploy.emulator import Case, mistakes
from tests.deploy.operators import BY_ROWS, KINDS, drawn, filled, inputs, overlapping, together
from tests.deploy.tools import candidates, needs_arm, needs_host, rows

pytestmark = needs_arm

M55 = CORES["Cortex-M55"]
#: Less than a vector, a vector, and more, with all that may be left over.
WINDOWS = ("conv", "max_pool", "avg_pool")
CHANNELS = (1, 2, 3, 5, 7, 8, 15, 16, 18, 21, 36, 47)


def cases(kinds: Sequence[str], count: int, core: str = "Cortex-M55") -> list[Case]:
    """Networks around an operator of each kind, and inputs of them."""
    result = []
    for kind in kinds:
        for network, seed in [*drawn(kind, count, CHANNELS), *((network, 1) for network in wide(kind))]:
            plan, q = together(network, instruction_set(core)), inputs(network, seed)
            result += [
                (plan, *pair) for pair in zip(rows(q, plan.input), rows(network.run(q), plan.output), strict=True)
            ]
    return result


def over_each_other(kinds: Sequence[str], count: int, core: str) -> list[Case]:
    """Outputs that overlap their inputs by all that they may, both ways."""
    result = []
    for kind, back in product(kinds, (False, True)):
        for network, seed in [*drawn(kind, count, CHANNELS), *((network, 1) for network in wide(kind))]:
            plan, q = overlapping(network, instruction_set(core), back=back), inputs(network, seed)
            if plan:
                result += [
                    (plan, *pair) for pair in zip(rows(q, plan.input), rows(network.run(q), plan.output), strict=True)
                ]
    return result


@pytest.mark.parametrize("flag", ["-DNC_ASSEMBLER_TOO", "-DNC_NO_ASSEMBLER"], ids=["assembler", "intrinsics"])
def test_any_operator_is_the_reference(flag: str, tmp_path: Path) -> None:
    some = [*cases(KINDS, 20), *over_each_other(WINDOWS, 20, "Cortex-M55")]
    assert mistakes(tmp_path, M55, some, flag) == []


@pytest.mark.parametrize("core", ["Cortex-M0+", "Cortex-M4F"])
def test_other_cores_are_the_reference(core: str, tmp_path: Path) -> None:
    """Row by row, and outputs over inputs; on an M4 what is in assembler, too, which this computer does not run."""
    kinds = [BY_ROWS, *(("conv", "grouped", "pointwise", "depthwise") if core == "Cortex-M4F" else ())]
    some = [*cases(kinds, 20, core), *over_each_other(WINDOWS, 20, core)]
    assert mistakes(tmp_path, CORES[core], some) == []


def wide(kind: str) -> list[QuantisedNetwork]:
    """Windows of more than a vector, in steps and with borders."""
    if kind not in ("depthwise", "avg_pool", "max_pool", "conv"):
        return []
    found = []
    for kernel, stride in [((5, 5), (1, 1)), ((7, 7), (2, 3)), ((1, 33), (1, 2)), ((33, 1), (4, 1)), ((3, 9), (5, 1))]:
        x = Shape(5, 9 if kernel[0] < 9 else 40, 11 if kernel[1] < 33 else 40)
        pads = (kernel[0] // 2, kernel[0] // 2, kernel[1] // 2, kernel[1] // 2)
        out = Shape(5, *(-(-side // step) for side, step in zip(x[1:], stride, strict=True)))
        groups = 5 if kind == "depthwise" else 1
        found.append(filled([Kernel(kind, (0,), x, out, kernel, stride, pads, groups=groups)], x, seed=len(found)))
    return found


@needs_host
@pytest.mark.parametrize("name", ["prototype_timeseries", "dscnn"])
def test_random_networks_of_the_library(name: str, tmp_path: Path) -> None:
    """On the chip; and on this computer, which has no vectors, and lays out more than there is room for on the chip."""
    one = min(candidates(name, 12, seed=5, core="Cortex-M55"), key=lambda one: totals(one)["macs"])
    shown = verify(deploy(untrained(one, "int8"), load_target("psoc-edge-e84"), tmp_path / "p"))
    assert shown.core
    assert shown.sizes
    assert (shown.host, shown.core.wrong, shown.not_run) == (0.0, 0, "")
    assert shown.sizes.ram == totals(one)["ram"]


#: Kinds, and mistakes in files of their own.
MISTAKES = (
    {
        "conv": ("size & 15; k > 0; k -= 8", "size & 7; k > 0; k -= 8"),
        "depthwise": ("f->weights[place * depth + row]", "f->weights[row * kernel + place]"),
        "linear": ("if (n & 15)", "if (n & 16)"),
        "add": ("vshlq_n_s32(v, 3), minus)", "vshlq_n_s32(v, 3), minus_other)"),
        "mul": ("vsubq_n_s32(vldrbq_z_s32(y, some), zero_other)", "vsubq_n_s32(vldrbq_z_s32(y, some), zero)"),
        "max_pool": (
            "int8x16_t most = vdupq_n_s8(INT8_MIN);\n        for (int32_t ky",
            "int8x16_t most = vdupq_n_s8(0);\n        for (int32_t ky",
        ),
        "lookup": ("_u8_s8(vldrbq_z_s8(x, some))", "_u8_s8(vaddq_n_s8(vldrbq_z_s8(x, some), 1))"),
        "requantise": ("(uint32_t)(op->in_c - k)", "(uint32_t)(op->in_c - k + 1)"),
    },
    {
        BY_ROWS: ("1, made - top)", "1, made - first)"),
        "grouped": ("copied(to + kx * depth, x + kx * channels, depth);", "copied(to, x + kx * channels, depth);"),
        "depthwise": ("k < f->taps; k += 16", "k < f->taps - 16; k += 16"),
        "avg_pool": ("vdupq_n_s32(-elements * op->zero)", "vdupq_n_s32(-elements)"),
        "global_avg_pool": ("vdupq_n_s32(-pixels * op->zero)", "vdupq_n_s32(pixels * op->zero)"),
        "global_max_pool": ("vctp8q(op->out_c - c)", "vctp8q(op->out_c)"),
    },
)


#: The same of an M4, in assembler; a shift of sums that are to be raised first.
M4_MISTAKES = {
    "conv": ("rsbs r2, r3, #0", "rsbs r2, r3, #1"),
    "depthwise": ("nc_dual(d, u, odd)", "nc_dual(d, u, even)"),
}


@pytest.mark.parametrize(
    ("core", "changes"), [*(("Cortex-M55", changes) for changes in MISTAKES), ("Cortex-M4F", M4_MISTAKES)]
)
def test_mistakes_in_the_kernels_are_caught(core: str, changes: dict[str, tuple[str, str]], tmp_path: Path) -> None:
    """Else the tests above would not look at what they should."""
    each, some = {kind: cases([kind], 20, core) for kind in changes}, []
    for those in each.values():
        some += those
    flags = ["-DNC_NO_ASSEMBLER"] * (core == "Cortex-M55")
    wrong = set(mistakes(tmp_path, CORES[core], some, *flags, changes=dict(changes.values())))
    first = 0
    for kind, those in each.items():
        assert wrong & set(range(first, first + len(those))), kind
        first += len(those)
