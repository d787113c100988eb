"""The cells of a run that pruning by untrained networks leaves (MONAS)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from nascompile.data.dataset import Dataset
from nascompile.records.search_log import SearchLog
from nascompile.run.folder import RunFolder
from nascompile.run.proxies import proxy_examples
from samplers.monas.rules import Round
from samplers.monas.sampler import MonasSampler
from spaces.program.candidate import Candidate

__all__ = ["MONAS_IMAGES", "monas_choice"]

#: The mini-batch of the neural tangent kernel, as in the paper.
MONAS_IMAGES = 32


def monas_choice(folder: RunFolder, dataset: Dataset, told: Callable[[str], None]) -> list[Candidate]:
    """The different cells that searches with seeds of their own end at, as many as the run trains.

    Args:
        folder: of the run, whose sampler is `monas`; the rounds are kept in it, `monas-SEED.jsonl`, and not measured
            twice.
        dataset: its training part has the images.
        told: called before each measurement, with what it is.
    """
    import torch

    settings, fs = folder.settings, folder.fs
    images = proxy_examples(dataset, MONAS_IMAGES // 2, settings.seed).images

    def search(sampler: MonasSampler) -> Sequence[Round]:
        about = {"set": fs.digest, "sampler": asdict(sampler)}
        log = SearchLog(folder.path / f"monas-{sampler.seed}.jsonl", about)

        def show(number: int, what: str, done: int, of: int) -> None:
            told(f"seed {sampler.seed}, round {number}, {what}, {done + 1} of {of}")

        for found in sampler.search(fs, images, tuple(log.rounds), show):
            log.append(found)
        return log.rounds

    # Thin networks are fastest on one thread, and there sums are always added up alike.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        sampler = MonasSampler(**_parameters(settings.parameters), seed=settings.seed)
        return list(sampler.ask(fs, images, min(settings.samples, fs.size), search))
    finally:
        torch.set_num_threads(threads)


def _parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """As the sampler takes them: JSON has no tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
