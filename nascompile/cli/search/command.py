"""`nascompile search`: the networks of a feasible set that are worth having, by training some or by proxies alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from nascompile.cli.options import SetRequest, takes_options
from nascompile.cli.search.monas import RankedSearch
from nascompile.cli.search.oneshot import SharedSearch
from nascompile.cli.search.options import SearchOptions
from nascompile.cli.search.owners import applies, is_given, refuse_foreign
from nascompile.cli.search.paper import PaperSearch
from nascompile.cli.search.pareto import FrontSearch
from nascompile.cli.search.run_file import options_text, recorded, with_overrides
from nascompile.cli.search.train import TrainSearch
from nascompile.cli.search.untrained import AnySearch, Untrained
from samplers.monas.paper import MonasPaper
from samplers.monas.search import MonasSearch
from samplers.oneshot.search import OneShotSearch
from samplers.optuna_studies.pareto_search import ParetoSearch
from samplers.registry import registered

__all__ = ["search"]

_HEAD = """\
# A run file: `nascompile search --file FILE` runs it. Options on the command line go before those that stand here.
# Lines behind a # do nothing: they show defaults, or options that have no value or are for other searches.
"""
#: Of a run's own file.
_OWN_HEAD = """\
# The options of this run, and below them what came of them. With another folder this repeats it:
# nascompile search --file config.yaml --out AGAIN

"""
#: Parameters that may be paths.
_PATHS = ("mcu", "latency_profile", "data")
#: How a search that trains nothing looks.
_SHOWN: dict[type, type[Untrained[Any]]] = {
    ParetoSearch: FrontSearch, MonasSearch: RankedSearch, MonasPaper: PaperSearch,
    OneShotSearch: SharedSearch,
}  # fmt: skip


@takes_options
def search(request: SetRequest, options: SearchOptions, context: typer.Context) -> None:
    """Search a feasible set for the networks worth having; no result is ever infeasible.

    A sampler asks for --samples networks. Each is trained on --data, quantised to int8, and measured; those --select
    are kept that span the trade-off of accuracy and FLOPs best, and all are measured on the test part in the end. The
    run is a folder. Killed at any moment, `nascompile resume RUN` goes on, and `nascompile worker RUN` helps.

    pareto evaluates --trials candidates untrained, by proxies that compete as objectives (PrototypeNAS). With --samples
    those of the front with the largest hypervolume are trained; without, nothing is, and the front is printed.

    monas measures --trials networks by proxies, of which half are drawn and half are neighbours of the best, and prints
    the one with the largest sum of ranks (MONAS): budgets are hard, and --front has the best network at each of
    several. With --samples the first so many are trained. --rule paper prunes a cell space as published.

    oneshot trains a super-network of shared weights on --data, and ranks --trials networks by what they reach with its
    weights. With --samples the first so many are trained.

    Examples:

      nascompile search dscnn --mcu stm32f412 --data digits.npz --samples 20 --select 5 --out digits

      nascompile search prototype_image --sampler pareto --mcu imxrt1062 --data images.npz -o trials.csv

      nascompile search nasbench201 --sampler monas --mcu stm32f746 --front macs=30M,60M,120M

      nascompile search dscnn --mcu stm32f412 --data digits.npz --sampler oneshot --samples 5

      nascompile search dscnn --mcu stm32f412 --data digits.npz --init > run.yaml

      nascompile search --file run.yaml --epochs 40
    """
    request = with_overrides(request, context)
    entry = registered(options.name)
    trains = not entry.training_free or is_given(context, "samples")
    applied = applies(SearchOptions, options.name, trains)
    if options.run_file.init:
        print(_HEAD)
        print(options_text(context, applied, {"space": request.space, "overrides": request.overrides}), end="")
        return
    refuse_foreign(SearchOptions, options.name, trains, context)
    if trains:
        # Paths are whole in a run's own file: it may be run anywhere.
        wholes = {**{name: _whole(context.params[name]) for name in _PATHS}, "space": _whole(request.space)}
        text = options_text(context, applied, {**wholes, "overrides": request.overrides}, ("output", "log", "force"))
        TrainSearch(options, _OWN_HEAD + text, recorded(options.run_file.file)).run(request)
    else:
        search = options.search()
        shown = next((show for kind, show in _SHOWN.items() if isinstance(search, kind)), AnySearch)
        shown(options, search).run(request)


def _whole(path: Any) -> Any:
    """A path wherever the next command stands, where it is one: `archive.tar.gz:NAME` is a set inside of an archive."""
    file, colon, inside = str(path or "").partition(":")
    return f"{Path(file).absolute()}{colon}{inside}" if file and Path(file).exists() else path
