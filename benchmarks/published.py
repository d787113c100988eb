"""Rank correlations with CIFAR-10 accuracy on NAS-Bench-201, as published; None where not given."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["COLUMNS", "NB_SUITE", "PAPERS", "Published"]


class Published(NamedTuple):
    """What a paper reports.

    Args:
        kendall: Kendall's tau.
        spearman: Spearman's rho.
        source: table or figure.
    """

    kendall: float | None
    spearman: float | None
    source: str


_ZICO = "ZiCo, Table 1"

#: All 15,625 cells against test accuracy, unless the source says otherwise.
PAPERS = {
    "meco": Published(None, 0.894, "MeCo, Table 1"),
    "zico": Published(0.61, 0.80, _ZICO),
    "snip": Published(0.46, 0.63, _ZICO),
    "grad_norm": Published(0.46, 0.63, _ZICO),
    "synflow": Published(0.54, 0.73, _ZICO),
    "grasp": Published(0.37, 0.54, _ZICO),
    "zen": Published(0.29, 0.38, _ZICO),
    "k0": Published(-0.42, None, "TE-NAS, Fig. 1"),
    "regions": Published(0.50, None, "TE-NAS, Fig. 3"),
    "flops": Published(0.54, 0.73, _ZICO),
    "params": Published(0.57, 0.75, _ZICO),
}

#: The values of NB-Suite-Zero for 9,445 cells without dead operators, against CIFAR-10 validation accuracy.
NB_SUITE = {
    "naswot": Published(0.603, 0.792, ""),
    "snip": Published(0.400, 0.552, ""),
    "grad_norm": Published(0.399, 0.550, ""),
    "synflow": Published(0.536, 0.732, ""),
    "grasp": Published(0.340, 0.491, ""),
    "zen": Published(0.10, None, ""),
    "flops": Published(0.519, 0.714, ""),
    "params": Published(0.568, 0.747, ""),
}

#: Our name -> the column of the published values of single cells.
COLUMNS = {
    "naswot": "nwot", "snip": "snip", "grad_norm": "grad_norm", "synflow": "synflow", "grasp": "grasp", "zen": "zen",
    "flops": "flops", "params": "params",
}  # fmt: skip
