"""The C text of a network: its header, its table of calls and its constants."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.deploy.calls import Call, Plan
from nascompile.deploy.ends import Ends
from nascompile.deploy.ends_source import declarations, definitions, helpers, includes
from nascompile.deploy.literals import constants, float_literal, in_lines

__all__ = ["header", "source"]

_TYPE = {"int8": "int8_t", "float32": "float"}
_HEADER = """\
/* {name}: a network in {dtype}, made by nascompile.
 *
 * Input {input}, output {output}: rows, columns, channels; the channels of a pixel lie together.
 */
#ifndef NC_NETWORK_H
#define NC_NETWORK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

typedef {type} nc_value;

#define NC_INPUT_SIZE {input_size}
#define NC_OUTPUT_SIZE {output_size}
{ram}{steps}
/* Where things lie is said to the compiler of src/, by
 *   -DNC_ARENA_SECTION=.dtcm    the section of the tensors, without quotes; nobody need clear it;
 *   -DNC_WEIGHTS_SECTION=.qspi  the section of all constants;
 *   -DNC_ARENA_EXTERN           the tensors lie where nc_arena points to: NC_RAM bytes, from a multiple of four on,
 *                               free for anything else from nc_output() until the next input. */
#ifdef NC_ARENA_EXTERN
extern void *nc_arena;
#endif

/* Run the network; gives 0, or 1 where nc_arena is none. Either argument may be 0: the input is then taken from
 * nc_input(), where it must be put anew for every call, and the output left at nc_output() until the next call. Not
 * reentrant. */
int nc_run(const nc_value *in, nc_value *out);

nc_value *nc_input(void);
const nc_value *nc_output(void);
{ends}
#ifdef __cplusplus
}}
#endif

#endif
"""
#: Of `network.c`, what stands before the constants, and behind them.
_PLACES = """\
#include "network.h"
#include "nc_kernels.h"
{ends}
#ifdef NC_WEIGHTS_SECTION
#define NC_WEIGHTS NC_IN(NC_QUOTED(NC_WEIGHTS_SECTION))
#else
#define NC_WEIGHTS
#endif

#ifdef NC_ARENA_EXTERN
#define arena (({type} *)nc_arena)
#elif defined(NC_ARENA_SECTION)
NC_ALIGNED static {type} arena[NC_RAM / sizeof({type})] NC_IN(NC_QUOTED(NC_ARENA_SECTION));
#else
NC_ALIGNED static {type} arena[NC_RAM / sizeof({type})];
#endif
"""
_SCRATCH = """\
#ifdef NC_VECTOR
#define NC_SCRATCH(at) at
#define NC_MOVES 1
#else
#define NC_SCRATCH(at) {ram} /* behind all tensors */
#define NC_MOVES 0
#endif
"""
_RUN = """\
/* Not memcpy, which would take 300 bytes. */
static NC_NOINLINE NC_OPTIMIZE("no-tree-loop-distribute-patterns") void copy(
    nc_value *to, const nc_value *from, uint32_t count)
{{
    while (count--)
        *to++ = *from++;
}}

int nc_run(const nc_value *in, nc_value *out)
{{
#ifdef NC_ARENA_EXTERN
    if (!nc_arena || (uintptr_t)nc_arena % 4)
        return 1;
#endif
    if (in)
        copy(arena + {input}, in, NC_INPUT_SIZE);
    for (const nc_op *op = ops; op < ops + {calls}; op++)
        op->run(op, arena);
    if (out)
        copy(out, arena + {output}, NC_OUTPUT_SIZE);
    return 0;
}}

nc_value *nc_input(void) {{ return arena + {input}; }}

const nc_value *nc_output(void) {{ return arena + {output}; }}
"""


def header(plan: Plan, name: str, ends: Ends | None = None) -> str:
    """`network.h`: what a firmware calls.

    Args:
        plan: the calls.
        name: of the network, for the comment at the top.
        ends: what lies before and behind it; None where no data say it.
    """
    return _HEADER.format(
        name=name,
        dtype=plan.dtype,
        input=_shape(plan.input),
        output=_shape(plan.output),
        type=_TYPE[plan.dtype],
        input_size=plan.input.size,
        output_size=plan.output.size,
        ram=_ram(plan),
        steps=_steps(plan) + helpers(plan) + _targets(ends.targets if ends else ()),
        ends=declarations(plan, ends) if ends else "",
    )


def _ram(plan: Plan) -> str:
    """How much is needed; a plan for vectors is good for no other core unless what kernels lay out lies behind all."""
    one = "#define NC_RAM {} /* bytes of all tensors together: the .bss of the network */\n"
    if not plan.more:
        return one.format(plan.ram)
    another = "#define NC_RAM {} /* without vectors, as on a computer, kernels lay out more */\n"
    return (
        f"#if defined(__ARM_FEATURE_MVE)\n{one.format(plan.ram)}#else\n{another.format(plan.ram + plan.more)}#endif\n"
    )


def _steps(plan: Plan) -> str:
    """What the int8 numbers of input and output stand for."""
    if plan.steps is None:
        return ""
    lines = ["", "/* A number q stands for scale * (q - zero). */"]
    for word, tensor in zip(("INPUT", "OUTPUT"), plan.steps, strict=True):
        lines += [
            f"#define NC_{word}_SCALE {float_literal(tensor.scale)}",
            f"#define NC_{word}_ZERO ({tensor.zero_point})",
        ]
    return "\n".join([*lines, ""])


def _targets(targets: tuple[tuple[float, float], ...]) -> str:
    """What the outputs stand for, where they are numbers to predict; macros, so that nobody pays who does not ask."""
    if not targets:
        return ""
    means, deviations = (", ".join(float_literal(value) for value in values) for values in zip(*targets, strict=True))
    lines = [
        "",
        "/* Output k predicts NC_TARGET_MEAN[k] + NC_TARGET_DEVIATION[k] * (what it stands for), as in",
        " * static const float mean[NC_OUTPUT_SIZE] = NC_TARGET_MEAN; */",
        f"#define NC_TARGET_MEAN {{ {means} }}",
        f"#define NC_TARGET_DEVIATION {{ {deviations} }}",
        "",
    ]
    return "\n".join(lines)


def source(plan: Plan, name: str, ends: Ends | None = None) -> str:
    """`network.c`: constants, the table, `nc_run`, and what lies before and behind it.

    Args:
        plan: the calls.
        name: of the network, for the comment at the top.
        ends: what lies before and behind it; None where no data say it.
    """
    kind = _TYPE[plan.dtype]
    more = "".join(f"{line}\n" for line in includes(ends)) if ends else ""
    parts = [f"/* {name}; made by nascompile. */", _PLACES.format(type=kind, ends=more)]
    if plan.more:
        parts.append(_SCRATCH.format(ram=plan.ram))
    rows = []
    for k, call in enumerate(plan.calls):
        parts += _before(plan.dtype, k, call, elsewhere=bool(plan.more))
        rows.append(_row(plan.dtype, k, call, elsewhere=bool(plan.more) and not call.parts))
    parts += [f"static const nc_op ops[{len(rows)}] NC_WEIGHTS = {{", *rows, "};", ""]
    parts.append(_RUN.format(input=plan.input_at, output=plan.output_at, calls=len(rows)))
    return "\n".join([*parts, *(definitions(plan, ends) if ends else [])])


def _shape(shape: Any) -> str:
    return f"{shape.height} x {shape.width} x {shape.channels}"


def _before(dtype: str, number: int, call: Call, *, elsewhere: bool = False) -> list[str]:
    """What the row of a call points to: its constants, or its parts and theirs."""
    if not call.parts:
        return _constants(dtype, str(number), call)
    lines, rows = [], []
    for k, part in enumerate(call.parts):
        lines += _constants(dtype, f"{number}_{k}", part)
        rows.append(_row(dtype, f"{number}_{k}", part, elsewhere=elsewhere))
    return [*lines, f"static const nc_op parts{number}[{len(rows)}] NC_WEIGHTS = {{", *rows, "};"]


def _constants(dtype: str, number: str, call: Call) -> list[str]:
    lines = []
    if dtype == "float32":
        arrays = {"biases": call.words, "weights": call.weights}
        for name, array in arrays.items():
            if array is not None and len(array):
                lines += _array(f"static const float {name}{number}[{len(array)}] NC_WEIGHTS = {{", array, "};")
        return lines
    if len(call.words):
        opening = (
            f"static const struct {{ int32_t words[{len(call.words)}]; int8_t bytes[{len(call.bytes)}]; }} "
            f"scales{number} NC_WEIGHTS = {{"
        )
        lines += [opening, *_array("{", call.words, "},"), *_array("{", call.bytes, "}"), "};"]
    if call.weights is not None:
        opening = f"NC_ALIGNED static const int8_t weights{number}[{len(call.weights)}] NC_WEIGHTS = {{"
        lines += _array(opening, call.weights, "};")
    return lines


def _array(opening: str, values: NDArray[Any], closing: str) -> list[str]:
    return [opening, *constants(values), closing]


def _row(dtype: str, number: int | str, call: Call, *, elsewhere: bool = False) -> str:
    items = [f".run = nc_{call.kernel}"]
    if dtype == "float32":
        if call.weights is not None:
            items += [f".weights = weights{number}", f".biases = biases{number}"]
        if call.other is not None:
            items.append(f".other = {call.other}")
    else:
        if call.weights is not None:
            items.append(f".with.weights = weights{number}")
        if call.other is not None:
            items.append(f".with.other = {call.other}")
        if call.parts:
            items.append(f".with.parts = parts{number}")
        if len(call.words):
            items.append(f".scales = scales{number}.words")
        if call.scratch[1]:
            at = str(call.scratch[0])
            items.append(f".scratch = {f'NC_SCRATCH({at})' if elsewhere else at}")
    items += [f".x = {call.x}", f".out = {call.out}"]
    moves = {"raise": "NC_MOVES" if elsewhere else "1"} if call.moves else {}
    items += [f".{name} = {moves.get(name) or _field(value)}" for name, value in call.fields.items()]
    lines = in_lines(" " + item for item in items)
    return "\n".join(["    {", *(f"       {line}" for line in lines), "    },"])


def _field(value: float) -> str:
    if not isinstance(value, float):
        return str(value)
    if np.isinf(value):
        return "-3.4028235e+38f" if value < 0 else "3.4028235e+38f"
    return float_literal(value)
