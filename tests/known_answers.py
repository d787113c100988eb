"""The library's known answers: counts, digests and extreme costs under the EBS paper's small profile.

`python -m tests.known_answers` computes them anew and writes `known_answers.json`; the tests then prove them again, by
other engines as far as these reach.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nascompile as nc
from spaces.language.library import library

FILE = Path(__file__).with_name("known_answers.json")
METRICS = ("rom", "ram", "params", "macs", "flops")


def compute(space: str) -> dict[str, Any]:
    """The answers of one space, by the decision diagram."""
    fs = nc.reduce(space, mcu="ebs-small")
    extremes = {metric: list(fs.metrics.extremes(metric)) for metric in METRICS}
    entropy = [round(value, 6) for value in fs.metrics.extremes("entropy")]
    return {
        "size": fs.program.size,
        "count": fs.size,
        "variants": fs.counts,
        "digest": fs.digest,
        "extremes": {**extremes, "entropy": entropy},
    }


if __name__ == "__main__":
    spaces = [name for name in library() if not name.startswith("prototype_")]
    FILE.write_text(json.dumps({space: compute(space) for space in spaces}, indent=1) + "\n")
