"""Noise in place of data; and what listing proxies loads."""

from __future__ import annotations

import subprocess
import sys

import torch

from samplers.proxies.data import Data


def test_the_seed_decides() -> None:
    one, same, other = (Data.gaussian((2,), 3, 9, seed) for seed in (1, 1, 2))
    assert torch.equal(one.images, same.images)
    assert torch.equal(one.labels, same.labels)
    assert not torch.equal(one.images, other.images)


def test_listing_proxies_loads_no_torch() -> None:
    code = "import samplers.proxies.base, samplers.proxies.ranking, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
