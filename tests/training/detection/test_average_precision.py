"""Average precision of cases that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nascompile.training import TrainingError
from nascompile.training.detection.average_precision import average_precision

BOX = (0.2, 0.3, 0.2, 0.4)
TRUE = (0.3, 0.5, 0.2, 0.4)  # the same by its centre


def rows(*found: tuple[float, ...]) -> np.ndarray:
    return np.array(found, float).reshape(len(found), -1)


def test_a_false_alarm_between_two_hits() -> None:
    """Precision 1 up to a recall of 0.5 (51 of the 101 recalls), then 2/3: (51 + 50 * 2/3) / 101."""
    truth = [rows((0, *TRUE)), rows((0, *TRUE))]
    found = [rows((0, 0.9, *BOX), (0, 0.8, 0.7, 0.7, 0.1, 0.1)), rows((0, 0.7, *BOX))]
    measured = average_precision(found, truth, 1)
    assert measured == pytest.approx({"map50": (51 + 50 * 2 / 3) / 101, "map50_95": (51 + 50 * 2 / 3) / 101})


def test_the_mean_is_over_classes_that_have_boxes() -> None:
    truth = [rows((0, *TRUE), (2, 0.8, 0.8, 0.1, 0.1))]
    assert average_precision([rows((0, 0.9, *BOX))], truth, 4)["map50"] == pytest.approx(0.5)
    assert average_precision([rows((1, 0.9, *BOX))], truth, 4)["map50"] == 0
    assert average_precision([np.zeros((0, 6))], truth, 4)["map50"] == 0


@pytest.mark.parametrize(("shift", "levels"), [(0.0, 10), (0.02, 7), (0.06, 1), (0.1, 0)])
def test_levels_of_overlap(shift: float, levels: int) -> None:
    """A box 0.2 wide, moved by s, has the IoU (0.2 - s) / (0.2 + s): 1, 0.82, 0.54, 1/3."""
    found = [rows((0, 0.5, BOX[0] + shift, *BOX[1:]))]
    measured = average_precision(found, [rows((0, *TRUE))], 1)
    assert measured == pytest.approx({"map50": float(levels > 0), "map50_95": levels / 10})


def test_without_boxes_there_is_nothing_to_measure() -> None:
    with pytest.raises(TrainingError, match="there is no box"):
        average_precision([np.zeros((0, 6))], [np.zeros((0, 5))], 1)


def test_it_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    average_precision([rows((0, 0.9, *BOX))], [rows((0, *TRUE))], 1)
    assert capsys.readouterr() == ("", "")
