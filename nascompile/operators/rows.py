"""How kernels that run row by row are timed: what it takes to call them, without what they take themselves."""

from __future__ import annotations

import random

from nascompile.operators.base import TimedFunction, timed
from nascompile.operators.shapes import CHANNELS, image, slide, upto
from spaces.operators import KernelCall
from spaces.operators.rows import BEFORE, BEHIND, BY_ROWS


def _draw(rng: random.Random, name: str) -> KernelCall:
    # A file of measurements has groups that divide the channels.
    channels, groups = 6 * upto(rng, CHANNELS // 6), rng.choice((BEHIND, BEFORE, BEHIND + BEFORE))
    return slide(rng, name, image(rng, channels), channels, groups)


timed(TimedFunction(BY_ROWS, _draw, share=6))
