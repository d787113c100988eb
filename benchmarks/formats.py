"""Networks of every space as `.tflite` and `.onnx`: what other programs make of the integers of our C.

    pip install -e '.[onnx,tflite]' ai-edge-litert onnxruntime
    python benchmarks/formats.py                          # two networks of each space, 20 inputs each; minutes

Every kernel is given to the integer reference with the operands that the other program gave it itself, so that each is
judged alone; the table counts, kind by kind, outputs that differ, and the largest difference. LiteRT comes twice: with
XNNPACK, as phones have it, which mostly rounds once; and with its reference kernels, which are those of TensorFlow Lite
Micro and round most products twice. onnxruntime runs the file as it is written: its optimisations leave out roundings.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import nascompile as nc
from nascompile.compression.integer import compute
from nascompile.compression.quantised import QuantisedNetwork
from nascompile.deploy.deployable import untrained
from nascompile.deploy.exchange.onnx_file import onnx_bytes
from nascompile.deploy.exchange.tflite_file import tflite_bytes
from nascompile.deploy.exchange.tflite_graph import tflite_graph
from spaces.language.library import library
from spaces.program.candidate import Candidate, candidate_of
from spaces.tensors import Infeasible

__all__ = ["PROGRAMS", "Count", "compared", "main"]

#: Inputs at once, so that all tensors of a network fit into memory.
_AT_ONCE = 500


@dataclass
class Count:
    """Outputs of kernels of one kind.

    Args:
        outputs: all.
        differ: those that are not the reference's.
        most: the largest difference.
    """

    outputs: int = 0
    differ: int = 0
    most: int = 0

    def add(self, found: Any, wanted: Any) -> None:
        """Some more."""
        apart = np.abs(found.astype(np.int64) - wanted)
        self.outputs, self.differ = self.outputs + apart.size, self.differ + int(np.count_nonzero(apart))
        self.most = max(self.most, int(apart.max()))


def compared(network: QuantisedNetwork, program: str, x: Any) -> dict[str, Count]:
    """Kind of kernel -> what a program makes of its outputs.

    Args:
        network: in integers.
        program: one of `PROGRAMS`.
        x: int8 [n, ...].
    """
    result: dict[str, Count] = defaultdict(Count)
    for start in range(0, len(x), _AT_ONCE):
        _compare(network, PROGRAMS[program](network, x[start : start + _AT_ONCE]), result)
    return dict(result)


def _compare(network: QuantisedNetwork, held: list[Any], result: dict[str, Count]) -> None:
    for k, op in enumerate(network.ops):
        operands = [(held[source], network.tensors[source]) for source in op.inputs]
        wanted = compute(op, operands, network.tensors[k + 1])
        # Of what needs no operator there is no output.
        held[k + 1] = wanted if op.kind == "flatten" else held[k + 1].reshape(wanted.shape)
        result[op.kind].add(held[k + 1], wanted)


def _litert(kernels: str) -> Any:
    def run(network: QuantisedNetwork, x: Any) -> list[Any]:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        interpreter = Interpreter(
            model_content=tflite_bytes(network), experimental_preserve_all_tensors=True, num_threads=1,
            experimental_op_resolver_type=OpResolverType[kernels],
        )  # fmt: skip
        first, *others = tflite_graph(network).held
        x = x.reshape(-1, *network.tensors[0].shape)
        interpreter.resize_tensor_input(first, [len(x), *(interpreter.get_tensor_details()[first]["shape"][1:])])
        interpreter.allocate_tensors()
        interpreter.set_tensor(first, x.transpose(0, 2, 3, 1))
        interpreter.invoke()
        return [x, *(interpreter.get_tensor(number).transpose(0, 3, 1, 2) for number in others)]

    return run


def _onnxruntime(network: QuantisedNetwork, x: Any) -> list[Any]:
    import onnx
    import onnxruntime

    model = onnx.load_from_string(onnx_bytes(network))
    names = [f"q{k}" for k in range(len(network.tensors))]
    model.graph.output.extend(onnx.helper.make_tensor_value_info(n, onnx.TensorProto.INT8, None) for n in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    there = network.tensors[0]
    real = (x.astype(np.float32) - there.zero_point) * np.float32(there.scale)
    held = session.run(names, {"input": real})
    assert np.array_equal(held[0], x)
    return [held[0].reshape(len(x), *there.shape), *held[1:]]


#: The programs, by their names: `(network, int8 inputs) -> all its tensors`.
PROGRAMS = {
    "LiteRT": _litert("BUILTIN"),
    "LiteRT, reference kernels": _litert("BUILTIN_REF"),
    "onnxruntime": _onnxruntime,
}


def _drawn(space: str, count: int, seed: int) -> Iterator[Candidate]:
    """Random networks of a space."""
    program = nc.compile(space, overrides=["dtype=int8"], tables=False)
    rng = random.Random(seed)
    while count:
        position = rng.randrange(len(program.variants))
        row = [rng.randrange(len(d.options)) for d in program.variants[position].decisions]
        one = candidate_of(program, position, row)
        try:
            one.steps  # noqa: B018 - some have a window that does not fit
        except Infeasible:
            continue
        count -= 1
        yield one


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=2, help="of each space")
    parser.add_argument("--inputs", type=int, default=20, help="of each network")
    parser.add_argument("--spaces", nargs="*", default=list(library()))
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    totals: dict[str, dict[str, Count]] = {name: defaultdict(Count) for name in PROGRAMS}
    print(
        f"{'network':60}{'weights B':>12}{'.tflite B':>12}{'.onnx B':>12}  outputs of kernels that differ", flush=True
    )
    for space in asked.spaces:
        for one in _drawn(space, asked.networks, asked.seed):
            network = untrained(one, "int8", asked.seed).network
            assert isinstance(network, QuantisedNetwork)
            shape = (asked.inputs, *network.input_shape)
            x = np.random.default_rng(asked.seed).integers(-128, 128, shape, np.int8)
            told = []
            for program, kinds in totals.items():
                found = compared(network, program, x)
                for kind, count in found.items():
                    kinds[kind] = Count(
                        kinds[kind].outputs + count.outputs, kinds[kind].differ + count.differ,
                        max(kinds[kind].most, count.most),
                    )  # fmt: skip
                told.append(f"{sum(c.differ for c in found.values()):,}")
            sizes = (network.nbytes, len(tflite_bytes(network)), len(onnx_bytes(network)))
            line = str(one)
            print(f"{line if len(line) < 60 else line[:56] + '...':60}" + "".join(f"{n:12,}" for n in sizes)
                  + f"  {' | '.join(told)}", flush=True)  # fmt: skip
    print(f"\n{'kernel':18}" + "".join(f"{name:>40}" for name in totals))
    for kind in sorted({kind for kinds in totals.values() for kind in kinds}):
        cells = [kinds[kind] for kinds in totals.values()]
        print(f"{kind:18}" + "".join(f"{f'{c.differ:,} of {c.outputs:,}, by {c.most}':>40}" for c in cells))


if __name__ == "__main__":
    main()
