"""What the last layer of a network says of the boxes that it finds: how many classes, from how many anchors."""

from __future__ import annotations

from dataclasses import dataclass

from spaces.costs.layer import HEAD
from spaces.program.candidate import Candidate

__all__ = ["DetectionHead", "detection_head"]


@dataclass(frozen=True)
class DetectionHead:
    """The head of a detector on one scale.

    Args:
        classes: that it tells apart.
        anchors: boxes that it predicts at every place.
    """

    classes: int
    anchors: int


def detection_head(candidate: Candidate) -> DetectionHead | None:
    """The head of a network; None where its last block is no `yolo_head`.

    Example:
        >>> from spaces.program.candidate import candidate_of
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import read_space
        >>> text = '''
        ... space: s
        ... input: {channels: 3, height: 8, width: 8}
        ... choices: {M: [4, 8]}
        ... network: [{conv: {filters: M}}, {yolo_head: {classes: 2}}]
        ... '''
        >>> detection_head(candidate_of(compile_space(read_space(text)), 0, [0]))
        DetectionHead(classes=2, anchors=3)
    """
    layer, _, out, _ = candidate.steps[-1]
    if layer.spec.block.name != HEAD:
        return None
    values = {choice: candidate.values[label] for choice, label in layer.bindings.items()}
    constants = candidate.variant.constants
    values |= {name: constants[name] for name in layer.spec.names if name in constants}
    classes = int(layer.spec.evaluate(values)["classes"])
    return DetectionHead(classes, out.shape.channels // (5 + classes))
