"""The units of work of a run: one step of one network, which one worker takes at a time."""

from __future__ import annotations

from typing import NamedTuple, Self

__all__ = ["PTQ", "QAT", "Step", "Task"]


class Step(NamedTuple):
    """What is done with a network at a time.

    Later steps are greater: training to 5 epochs, to 20, quantisation after training, and training on in int8.

    Args:
        rank: its kind: 0 for training, 1 for quantisation after training, 2 for training on in int8.
        epochs: up to which epoch it is trained, of training only.

    Example:
        >>> str(Step.train(5)), str(PTQ), Step.parse("train-5") < Step.parse("train-20") < PTQ < QAT
        ('train-5', 'ptq', True)
    """

    rank: int
    epochs: int = 0

    @classmethod
    def train(cls, epochs: int) -> Self:
        """Training up to an epoch."""
        return cls(0, epochs)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From its text.

        Raises:
            ValueError: it is none.
        """
        kind, _, epochs = text.partition("-")
        return cls(_KINDS.index(kind), int(epochs or 0))

    @property
    def kind(self) -> str:
        """`train`, `ptq` or `qat`."""
        return _KINDS[self.rank]

    def __str__(self) -> str:
        return f"{self.kind}-{self.epochs}" if self.epochs else self.kind


class Task(NamedTuple):
    """A step of a network.

    Args:
        number: of the network: its place in the order in which the sampler asked.
        step: what is done with it.
    """

    number: int
    step: Step


_KINDS = ("train", "ptq", "qat")
#: Quantisation after training.
PTQ = Step(1)
#: Training on with the rounding of int8 in place.
QAT = Step(2)
