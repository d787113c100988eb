"""The number of the cost model: which formulas and measurements the costs come from."""

from __future__ import annotations

__all__ = ["COST_MODEL"]

#: Raised with every change of what a network costs, in ROM, RAM, MACs, FLOPs, parameters, latency or entropy, by
#: whatever runtime or latency profile of the library: a set file of another number is not opened.
#: `tests/spaces/test_cost_model.py` forces it up.
COST_MODEL = 14
