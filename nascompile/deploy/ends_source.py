"""The C text of what lies before and behind a network: declarations for its header, definitions for its source."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.deploy.calls import Plan
from nascompile.deploy.ends import FALSE_ALARMS, Ends
from nascompile.deploy.literals import constants, float_literal

__all__ = ["MOST_BOXES", "answer", "asked", "declarations", "definitions", "helpers", "includes", "kernels"]

#: Of an image in the check by raw examples.
MOST_BOXES = 100

_TYPES = {"int16": "int16_t", "uint8": "uint8_t", "float32": "float"}
_HELPERS = """
/* The int8 number that is nearest to so many steps from zero; halves to even, as in training. */
static inline nc_value nc_nearest(float steps, int32_t zero)
{
    if (!(steps > -256.0f))
        steps = -256.0f;
    if (steps > 256.0f)
        steps = 256.0f;
    int32_t q = (int32_t)steps;
    const float rest = steps - (float)q;
    if (rest > 0.5f || (rest == 0.5f && (q & 1)))
        q++;
    if (rest < -0.5f || (rest == -0.5f && (q & 1)))
        q--;
    q += zero;
    return (nc_value)(q < -128 ? -128 : q > 127 ? 127 : q);
}

/* An input, normalised as in training, as the network takes it; and what an output stands for. */
static inline nc_value nc_quantise(float x) { return nc_nearest(x * (1.0f / NC_INPUT_SCALE), NC_INPUT_ZERO); }
static inline float nc_dequantise(nc_value q) { return NC_OUTPUT_SCALE * (float)(q - NC_OUTPUT_ZERO); }
"""
_RAW = {
    "int16": "sound, full scale is 32,767",
    "uint8": "pixels, 0 to 255; rows, columns, channels",
    "float32": "numbers as in the data; rows, columns, channels: of a series all channels of one time together",
}


def helpers(plan: Plan) -> str:
    """Inline functions from numbers to int8 and back; none of a network in floating point."""
    return _HELPERS if plan.steps else ""


def includes(ends: Ends) -> list[str]:
    """Headers of what `kernels` names, for the source."""
    return [f'#include "nc_{name}.h"' for name in kernels(ends)]


def kernels(ends: Ends) -> list[str]:
    """Names of the files beside the network's own kernels, without `nc_` and `.c`."""
    return [*(["mel"] if ends.mel else []), *(["boxes"] if ends.task == "detection" else [])]


def declarations(plan: Plan, ends: Ends) -> str:
    """What `network.h` says of both ends.

    Args:
        plan: the calls.
        ends: of the network.
    """
    size = ends.raw_size(plan.input.size)
    lines = [
        "",
        f"/* A raw sample: {_RAW[ends.kind]}. */",
        f"typedef {_TYPES[ends.kind]} nc_raw;",
        f"#define NC_RAW_SIZE {size}{f' /* at {ends.rate:,} Hz */' if ends.rate else ''}",
        "",
        "/* Raw samples become the input: put where nc_run(0, 0) takes it. */",
        "void nc_prepare(const nc_raw *raw);",
    ]
    if ends.mel:
        lines += [
            "",
            "/* The same frame by frame, as sound arrives; the network must not run in between. */",
            f"#define NC_FRAMES {plan.input.size // ends.mel.width}",
            f"#define NC_FRAME_SIZE {ends.mel.window} /* samples of a frame */",
            f"#define NC_FRAME_STRIDE {ends.mel.stride} /* from the first sample of a frame to that of the next */",
            "void nc_prepare_frame(const nc_raw *samples, uint32_t frame);",
        ]
    return "\n".join([*lines, "", *_declared(ends), ""])


def _declared(ends: Ends) -> list[str]:
    """What is to be called, by task."""
    named = [f"#define NC_CLASSES {len(ends.classes)}", "extern const char *const nc_class_names[NC_CLASSES];", ""]
    match ends.task:
        case "classification":
            return [
                *named,
                "/* From raw samples to the class, a number below NC_OUTPUT_SIZE; nc_output() has how sure it is. */",
                "int nc_classify(const nc_raw *raw);",
            ]
        case "multi-label":
            return [
                *named,
                "/* From raw samples to which labels hold, 1 or 0 each; gives how many do. */",
                "int nc_labels(const nc_raw *raw, uint8_t holds[NC_CLASSES]);",
            ]
        case "regression":
            return [
                "/* From raw samples to the numbers predicted, in the unit of the data. */",
                "void nc_predict(const nc_raw *raw, float values[NC_OUTPUT_SIZE]);",
            ]
        case "detection":
            return [
                *named,
                "/* The least score of a box; of two boxes of a class with a greater IoU the surer one stays. */",
                "#ifndef NC_BOX_SCORE",
                "#define NC_BOX_SCORE 0.25f",
                "#endif",
                "#ifndef NC_BOX_OVERLAP",
                "#define NC_BOX_OVERLAP 0.45f",
                "#endif",
                "#ifndef NC_BOX",
                "#define NC_BOX",
                "/* What was found, the four as shares of the image, cut at its edges. */",
                "typedef struct {",
                "    uint32_t of_class;",
                "    float score, left, top, width, height;",
                "} nc_box;",
                "#endif",
                "",
                "/* From raw samples to at most `most` boxes, the surest first; gives how many. */",
                "uint32_t nc_detect(const nc_raw *raw, nc_box *boxes, uint32_t most);",
            ]
        case _:
            return [
                "/* How far the network's reconstruction is from the normalised input: the mean squared error. */",
                "float nc_anomaly_score(const nc_raw *raw);",
                *_alarm(ends),
            ]


def _alarm(ends: Ends) -> list[str]:
    if not (alarm := ends.alarm):
        return []
    caught = f", and {alarm.found:,} of {alarm.anomalies:,} anomalies" if alarm.anomalies else ""
    return [
        "",
        f"/* Chosen on the validation part for at most {100 * FALSE_ALARMS:g} % of false alarms: above are "
        f"{alarm.false:,} of {alarm.normal:,}",
        f" * normal examples{caught}. */",
        "#ifndef NC_ANOMALY_THRESHOLD",
        f"#define NC_ANOMALY_THRESHOLD {float_literal(alarm.threshold)}",
        "#endif",
        "",
        "/* Whether it is farther than that. */",
        "int nc_is_anomaly(const nc_raw *raw);",
    ]


def definitions(plan: Plan, ends: Ends) -> list[str]:
    """Lines of `network.c`, behind `nc_run`.

    Args:
        plan: the calls.
        ends: of the network.
    """
    lines = _table("factors", ends.steps(_scale(plan))[0]) + _table("offsets", ends.steps(_scale(plan))[1])
    lines += _prepared(plan, ends)
    if ends.classes:
        names = ", ".join(_text(name) for name in ends.classes)
        lines += [f"const char *const nc_class_names[NC_CLASSES] = {{{names}}};", ""]
    match ends.task:
        case "classification":
            return lines + _classify(plan)
        case "multi-label":
            return lines + _labels(plan)
        case "regression":
            return lines + _predict(plan)
        case "detection":
            return lines + _detect(plan, ends)
        case _:
            return lines + _anomaly(plan, ends)


def _scale(plan: Plan) -> float:
    return plan.steps[0].scale if plan.steps else 1.0


def _nearest(plan: Plan, steps: str) -> str:
    return f"nc_nearest({steps}, NC_INPUT_ZERO)" if plan.steps else steps


def _real(plan: Plan, output: str) -> str:
    return f"nc_dequantise({output})" if plan.steps else output


def _table(name: str, values: NDArray[Any], kind: str = "float") -> list[str]:
    return [f"static const {kind} {name}[{values.size}] NC_WEIGHTS = {{", *constants(values.reshape(-1)), "};", ""]


def _prepared(plan: Plan, ends: Ends) -> list[str]:
    """`nc_prepare`."""
    if ends.mel:
        return _sound(plan, ends)
    return [
        "void nc_prepare(const nc_raw *raw)",
        "{",
        f"    nc_value *in = arena + {plan.input_at};",
        "    for (uint32_t i = 0, c = 0; i < NC_INPUT_SIZE; i++) {",
        f"        in[i] = {_nearest(plan, '(float)raw[i] * factors[c] + offsets[c]')};",
        f"        c = c + 1 < {len(ends.mean)} ? c + 1 : 0;",
        "    }",
        "}",
        "",
    ]


def _sound(plan: Plan, ends: Ends) -> list[str]:
    mel = ends.mel
    assert mel
    tables = {"hann": mel.hann, "sine": mel.sine, "edges": mel.edges, "rise": mel.rise, "cosine": mel.cosine}
    lines = []
    for name, values in tables.items():
        if values.size:
            lines += _table(name, values, "uint16_t" if name == "edges" else "float")
    fields = {"window": mel.window, "stride": mel.stride, "bits": mel.bits, "bins": mel.bins, "width": mel.width,
              "lowest": mel.lowest}  # fmt: skip
    items = [f".{name} = {value}" for name, value in fields.items()]
    items += [f".{name} = {name}" for name, values in tables.items() if values.size]
    return [
        *lines,
        "static const nc_mel mel = {",
        f"    {', '.join(items)},",
        "};",
        "",
        "void nc_prepare_frame(const nc_raw *samples, uint32_t frame)",
        "{",
        f"    float *room = (float *)(arena + {plan.memory.ends[0]});",
        f"    nc_value *in = arena + {plan.input_at} + frame * {mel.width};",
        "    nc_mel_frame(&mel, samples, room);",
        f"    for (uint32_t c = 0; c < {mel.width}; c++)",
        f"        in[c] = {_nearest(plan, 'room[c] * factors[c] + offsets[c]')};",
        "}",
        "",
        "void nc_prepare(const nc_raw *raw)",
        "{",
        "    for (uint32_t frame = 0; frame < NC_FRAMES; frame++)",
        "        nc_prepare_frame(raw + frame * NC_FRAME_STRIDE, frame);",
        "}",
        "",
    ]


def _call(plan: Plan) -> list[str]:
    """The beginning of every function from raw samples on."""
    return [
        "{",
        "    nc_prepare(raw);",
        "    nc_run(0, 0);",
        f"    const nc_value *out = arena + {plan.output_at};",
    ]


def _output(plan: Plan, k: str) -> str:
    """Output k, counted as in training: channels one after another; in RAM those of a pixel lie together."""
    pixels, channels = plan.output.height * plan.output.width, plan.output.channels
    return f"out[{k}]" if pixels == 1 or channels == 1 else f"out[{k} % {pixels} * {channels} + {k} / {pixels}]"


def _classify(plan: Plan) -> list[str]:
    return [
        "int nc_classify(const nc_raw *raw)",
        *_call(plan),
        "    int best = 0;",
        "    for (int k = 1; k < NC_OUTPUT_SIZE; k++)",
        f"        if ({_output(plan, 'k')} > {_output(plan, 'best')})",
        "            best = k;",
        "    return best;",
        "}",
        "",
    ]


def _labels(plan: Plan) -> list[str]:
    return [
        "int nc_labels(const nc_raw *raw, uint8_t holds[NC_CLASSES])",
        *_call(plan),
        "    int count = 0;",
        "    for (int k = 0; k < NC_CLASSES; k++)",
        f"        count += holds[k] = {_output(plan, 'k')} > {'NC_OUTPUT_ZERO' if plan.steps else '0'};",
        "    return count;",
        "}",
        "",
    ]


def _predict(plan: Plan) -> list[str]:
    return [
        "void nc_predict(const nc_raw *raw, float values[NC_OUTPUT_SIZE])",
        *_call(plan),
        "    static const float mean[NC_OUTPUT_SIZE] = NC_TARGET_MEAN;",
        "    static const float deviation[NC_OUTPUT_SIZE] = NC_TARGET_DEVIATION;",
        "    for (int k = 0; k < NC_OUTPUT_SIZE; k++)",
        f"        values[k] = mean[k] + deviation[k] * {_real(plan, _output(plan, 'k'))};",
        "}",
        "",
    ]


def _detect(plan: Plan, ends: Ends) -> list[str]:
    fields = {"rows": plan.output.height, "columns": plan.output.width, "anchors": len(ends.anchors),
              "classes": len(ends.classes)}  # fmt: skip
    return [
        *_table("sizes", np.array(ends.anchors, np.float32)),
        "static float value(uint32_t k)",
        "{",
        f"    return {_real(plan, f'arena[{plan.output_at} + k]')};",
        "}",
        "",
        "uint32_t nc_detect(const nc_raw *raw, nc_box *boxes, uint32_t most)",
        "{",
        "    static const nc_head head = {",
        f"        {', '.join(f'.{name} = {number}' for name, number in fields.items())},",
        "        .sizes = sizes, .value = value, .least = NC_BOX_SCORE, .overlap = NC_BOX_OVERLAP,",
        "    };",
        "    nc_prepare(raw);",
        "    nc_run(0, 0);",
        f"    nc_candidate *room = (nc_candidate *)(arena + {plan.memory.ends[1]});",
        f"    return nc_boxes(&head, room, {ends.candidates(plan.output.size)}, boxes, most);",
        "}",
        "",
    ]


def _anomaly(plan: Plan, ends: Ends) -> list[str]:
    """The error, of inputs that are made anew: the network has overwritten its own."""
    # A vector has the channels of an image one after another; in RAM those of a pixel lie together.
    same = plan.input == plan.output or 1 in (plan.input.channels, plan.input.height * plan.input.width)
    pixels = plan.input.height * plan.input.width
    at = "i" if same else f"i % {plan.input.channels} * {pixels} + i / {plan.input.channels}"
    scale = "NC_INPUT_SCALE * " if plan.steps else ""
    each = [
        f"apart = {scale}({{x}} * factors[c] + offsets[c]) - {_real(plan, f'out[{at}]')};",
        "sum += apart * apart;",
    ]
    lines = ["float nc_anomaly_score(const nc_raw *raw)", *_call(plan), "    float sum = 0;"]
    if ends.mel:
        lines += [
            f"    float *room = (float *)(arena + {plan.memory.ends[1]});",
            "    for (uint32_t frame = 0, i = 0; frame < NC_FRAMES; frame++) {",
            "        nc_mel_frame(&mel, raw + frame * NC_FRAME_STRIDE, room);",
            f"        for (uint32_t c = 0; c < {ends.mel.width}; c++, i++) {{",
            f"            const float {each[0].format(x='room[c]')}",
            f"            {each[1]}",
            "        }",
            "    }",
        ]
    else:
        lines += [
            "    for (uint32_t i = 0, c = 0; i < NC_INPUT_SIZE; i++) {",
            f"        const float {each[0].format(x='(float)raw[i]')}",
            f"        {each[1]}",
            f"        c = c + 1 < {len(ends.mean)} ? c + 1 : 0;",
            "    }",
        ]
    lines += ["    return sum / NC_INPUT_SIZE;", "}", ""]
    if ends.alarm:
        lines += ["int nc_is_anomaly(const nc_raw *raw) { return nc_anomaly_score(raw) > NC_ANOMALY_THRESHOLD; }", ""]
    return lines


def _text(name: str) -> str:
    """A name as a literal of C: what is not plain ASCII by its bytes."""
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in name.encode()
    )
    return f'"{plain}"'


def answer(ends: Ends) -> str:
    """`answer.h` of the check by raw examples: what is asked of the network, and how it is told.

    Its fields are those that `nascompile.deploy.raw_examples` reads.
    """
    held, asked = {
        "classification": ("int32_t of_class;", "answer->of_class = nc_classify(raw);"),
        "multi-label": ("uint8_t holds[NC_CLASSES];", "nc_labels(raw, answer->holds);"),
        "regression": ("float values[NC_OUTPUT_SIZE];", "nc_predict(raw, answer->values);"),
        "detection": (
            f"uint32_t count; nc_box boxes[{MOST_BOXES}];",
            f"answer->count = nc_detect(raw, answer->boxes, {MOST_BOXES});",
        ),
        "anomaly": ("float score;", "answer->score = nc_anomaly_score(raw);"),
    }[ends.task]
    lines = [
        "/* What is asked of the network. */",
        f"typedef struct {{ {held} }} nc_answer;",
        "",
        f"static void nc_ask(const nc_raw *raw, nc_answer *answer) {{ {asked} }}",
        "",
    ]
    return "\n".join(lines)


def asked(ends: Ends) -> str:
    """What a bare firmware does with its samples."""
    lines = {
        "classification": ["nc_classify(nc_samples);"],
        "multi-label": ["uint8_t holds[NC_CLASSES];", "nc_labels(nc_samples, holds);"],
        "regression": ["float values[NC_OUTPUT_SIZE];", "nc_predict(nc_samples, values);"],
        "detection": ["nc_box boxes[8];", "nc_detect(nc_samples, boxes, 8);"],
        "anomaly": ["nc_is_anomaly(nc_samples);" if ends.alarm else "nc_anomaly_score(nc_samples);"],
    }[ends.task]
    return "\n".join(f"        {line}" for line in lines)
