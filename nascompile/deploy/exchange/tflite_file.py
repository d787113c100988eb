"""A network as an int8 `.tflite` file."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
import tflite

from nascompile.compression.quantised import QuantisedNetwork
from nascompile.deploy.exchange.tflite_graph import Graph, Node, Tensor, tflite_graph

__all__ = ["tflite_bytes"]

_IDENTIFIER = b"TFL3"
_SCHEMA = 3
#: Where the data of constants begins: at multiples of this, as interpreters that use it in place ask.
_ALIGNED = 16


def tflite_bytes(network: QuantisedNetwork) -> bytes:
    """The file.

    Raises:
        DeployError: the network has what the format cannot say.
    """
    return _Writer(tflite_graph(network)).file(network.line)


class _Writer:
    """Writes a graph in the schema of TensorFlow Lite."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.builder = graph, flatbuffers.Builder(1 << 16)
        self.codes = sorted({(node.code, node.version) for node in graph.nodes})

    def file(self, about: str) -> bytes:
        """All of it."""
        graph, text = self.graph, self.builder.CreateString
        # Buffer 0 is empty, as the schema has it: that of whatever is no constant.
        buffers = [self._table("Buffer"), *(self._buffer(t) for t in graph.tensors if t.data is not None)]
        numbers = iter(range(1, len(buffers)))
        tensors = [self._tensor(t, 0 if t.data is None else next(numbers)) for t in graph.tensors]
        operators = [self._operator(node) for node in graph.nodes]
        codes = [self._code(*code) for code in self.codes]
        main = self._table(
            "SubGraph", Tensors=self._tables(tensors), Inputs=self._ints(graph.held[:1]),
            Outputs=self._ints(graph.held[-1:]), Operators=self._tables(operators), Name=text("main"),
        )  # fmt: skip
        model = self._table(
            "Model", Version=_SCHEMA, OperatorCodes=self._tables(codes), Subgraphs=self._tables([main]),
            Description=text(f"{about}, made by nascompile"), Buffers=self._tables(buffers),
        )  # fmt: skip
        self.builder.Finish(model, _IDENTIFIER)
        return bytes(self.builder.Output())

    def _table(self, name: str, **fields: Any) -> int:
        """A table of the schema; offsets and vectors in it have been made before."""
        getattr(tflite, f"{name}Start")(self.builder)
        for field, value in fields.items():
            getattr(tflite, f"{name}Add{field}")(self.builder, value)
        return getattr(tflite, f"{name}End")(self.builder)

    def _tables(self, offsets: list[int]) -> int:
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return self.builder.EndVector()

    def _ints(self, numbers: Any) -> int:
        return self.builder.CreateNumpyVector(np.array(numbers, np.int32))

    def _buffer(self, tensor: Tensor) -> int:
        assert tensor.data is not None  # its caller has looked
        data = np.frombuffer(tensor.data.tobytes(), np.uint8)
        self.builder.StartVector(1, len(data), _ALIGNED)
        self.builder.head -= len(data)
        self.builder.Bytes[self.builder.head : self.builder.head + len(data)] = data.tobytes()
        return self._table("Buffer", Data=self.builder.EndVector())

    def _tensor(self, tensor: Tensor, buffer: int) -> int:
        dtype = "INT8" if tensor.data is None else tensor.data.dtype.name.upper()
        fields: dict[str, Any] = {
            "Shape": self._ints(tensor.shape), "Buffer": buffer, "Name": self.builder.CreateString(tensor.name),
            "Type": getattr(tflite.TensorType, dtype),
        }  # fmt: skip
        if tensor.scales.size:
            zeros = np.full(tensor.scales.size, tensor.zero, np.int64)
            fields["Quantization"] = self._table(
                "QuantizationParameters", Scale=self.builder.CreateNumpyVector(tensor.scales),
                ZeroPoint=self.builder.CreateNumpyVector(zeros), QuantizedDimension=tensor.axis,
            )  # fmt: skip
        return self._table("Tensor", **fields)

    def _code(self, name: str, version: int) -> int:
        number = getattr(tflite.BuiltinOperator, name)
        # Readers of the first schema look for it where a byte has to do.
        return self._table("OperatorCode", BuiltinCode=number, DeprecatedBuiltinCode=min(number, 127), Version=version)

    def _operator(self, node: Node) -> int:
        fields: dict[str, Any] = {
            "OpcodeIndex": self.codes.index((node.code, node.version)),
            "Inputs": self._ints(node.inputs), "Outputs": self._ints([node.output]),
        }  # fmt: skip
        if node.table:
            options = {
                name: self.builder.CreateNumpyVector(value) if isinstance(value, np.ndarray) else value
                for name, value in node.options.items()
            }
            fields["BuiltinOptions"] = self._table(node.table, **options)
            fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, node.table)
        return self._table("Operator", **fields)
