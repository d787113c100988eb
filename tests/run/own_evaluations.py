"""Evaluations that processes beside the tests' own load by their names."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from nascompile.run.own import Place
from spaces.program.candidate import Candidate


def width(candidate: Candidate) -> dict[str, float]:
    """More is better, and dearer."""
    return {"width": float(sum(candidate["M"]))}


def counted(candidate: Candidate, place: Place) -> dict[str, float]:
    """As `width`, slowly; leaves a line for each call in a file beside the run's folder."""
    log = place.folder.parents[2] / "calls.txt"
    with log.open("a") as file:
        file.write(f"{candidate}\n")
    time.sleep(float(os.environ.get("SLOWLY", "0")))
    return {"width": float(sum(candidate["M"]))}


def moody(candidate: Candidate) -> Mapping[str, Any]:
    """One of each kind of failure."""
    first = candidate["M"][0]
    if first == 2:
        raise ValueError("too thin\nto hold")
    return {"width": float("nan")} if first == 4 else {"width": float(sum(candidate["M"]))}
