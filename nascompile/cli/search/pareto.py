"""`nascompile search --sampler pareto`: trials whose proxies compete as objectives, and their front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nascompile.cli.search.report import Found, found_data, print_found
from nascompile.cli.search.trials import TrialsSearch
from nascompile.records.search_log import SearchLog
from samplers.optuna_studies.pareto_search import ParetoSearch
from samplers.proxy_search import Trial

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["FrontSearch"]


class FrontSearch(TrialsSearch[ParetoSearch]):
    """The front."""

    def found(self, data: Data, log: SearchLog[Trial], seconds: float) -> Found:
        """The front, and what it is of."""
        return Found(
            self.fs, self.search, log, self.total, source=data.source, batch_norm=self.options.trials.batch_norm,
            seconds=seconds, asking=self.asking, output=self.options.output,
        )  # fmt: skip

    def plain(self, found: Found) -> dict[str, Any]:
        """See `found_data`."""
        return found_data(found)

    def show(self, found: Found) -> None:
        """See `print_found`."""
        print_found(found)
