"""`nascompile search --sampler monas`: a cell space pruned operator by operator."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from nascompile.cli.options import SetRequest, default_name, is_set_file
from nascompile.cli.output import Interrupted, emit_json, err, out, quantity, say, table, working
from nascompile.cli.report import budget_text, profile_data, profile_text, runtime_name
from nascompile.cli.search.options import SearchOptions
from nascompile.records.search_log import SearchLog
from nascompile.run.monas_choice import MONAS_IMAGES
from samplers.monas.rules import Round
from samplers.monas.sampler import MonasSampler, found_cell
from solvers.sets.feasible_set import FeasibleSet
from spaces.program.candidate import Candidate

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["MonasSearch", "with_latency"]


@dataclass(frozen=True)
class MonasSearch:
    """A search as the command line has it, which trains nothing."""

    options: SearchOptions

    def run(self, request: SetRequest) -> None:
        """Search, and print what was found."""
        chosen = self.options.pruning.sampler(self.options.seed)
        chosen.check_weights()
        fs = with_latency(chosen, request).feasible_set()
        chosen.check(fs)
        _one_thread()
        examples = self._examples(fs)
        start = time.monotonic()
        rounds = _rounds(chosen, fs, examples, self._opened(fs, chosen, examples))
        member = found_cell(fs, rounds)
        result = {
            **_result(member, fs, chosen), "data": examples.source, "seconds": time.monotonic() - start,
            "rounds": [asdict(found) for found in rounds],
        }  # fmt: skip
        if self.options.as_json:
            emit_json(result)
        else:
            _print(member, result)

    def _examples(self, fs: FeasibleSet) -> Data:
        from samplers.proxies.data import Data

        shape, path, seed = fs.program.space.input.dims, self.options.data, self.options.seed
        if path:
            return Data.load(path, shape, MONAS_IMAGES, seed)
        return Data.gaussian(shape, 2, MONAS_IMAGES, seed)

    def _opened(self, fs: FeasibleSet, sampler: MonasSampler, data: Data) -> SearchLog:
        name = default_name(fs.program, "monas", sampler.seed)
        settings = {"space": fs.program.space.text, "set": fs.digest, "sampler": asdict(sampler)}
        settings |= {"data": data.source, "latency": fs.program.latency.name if fs.program.latency else None}
        return SearchLog(self.options.log or Path(f"{name}.jsonl"), settings, self.options.force)


def with_latency(sampler: MonasSampler, request: SetRequest) -> SetRequest:
    """The request with a latency profile where the sampler weighs latencies."""
    if sampler.mu and request.limits.latency_profile is None and not is_set_file(request.space):
        return replace(request, limits=replace(request.limits, latency_profile="auto"))
    return request


def _one_thread() -> None:
    """Thin networks are fastest on one thread, and there, unlike on several, sums are always added up alike."""
    import torch

    torch.set_num_threads(1)


def _rounds(sampler: MonasSampler, fs: FeasibleSet, data: Data, log: SearchLog) -> list[Round]:
    if log.rounds:
        say(f"continuing after round {log.rounds[-1].number} of {log.path}")
    try:
        with working("searching") as progress:

            def show(number: int, what: str, done: int, of: int) -> None:
                progress(f"round {number}, {what}, {done + 1} of {of}", 0)

            for found in sampler.search(fs, data.images, tuple(log.rounds), show):
                log.append(found)
                _print_round(found)
    except KeyboardInterrupt:
        say(f"interrupted after {len(log.rounds)} rounds; the same command continues from {log.path}")
        raise Interrupted from None
    return log.rounds


def _print_round(found: Round) -> None:
    """The state of each edge, on stderr."""
    rows = table(f"round {found.number}", "left", "pruned", "~")
    for edge, names in found.after.items():
        pruned, needed = (
            ", ".join(r.operator for r in found.rows if (r.edge, r.fate) == (edge, fate))
            for fate in ("pruned", "needed")
        )
        why = f"not {needed}, which every feasible cell needs" if needed else ""
        rows.add_row(escape(edge), ", ".join(names), pruned, why)
    err.print(rows, width=max(err.width, 120))


def _result(member: Candidate, fs: FeasibleSet, sampler: MonasSampler) -> dict[str, Any]:
    program = fs.program
    return {
        "candidate": str(member),
        "index": member.number,
        "costs": member.costs,
        "feasible": fs.size,
        "size": program.size,
        "budgets": dict(program.budgets.items()),
        "ram_model": program.ram_model,
        "runtime": runtime_name(program),
        "target": program.target or None,
        "latency_profile": profile_data(program.latency) if program.latency else None,
        "sampler": asdict(sampler),
    }


def _print(member: Candidate, data: dict[str, Any]) -> None:
    out.print(f"[bold]{escape(str(member))}[/bold]", soft_wrap=True)
    index = "" if data["index"] is None else f"index {data['index']:,} of the benchmark; "
    target = f" on {data['target']}" if data["target"] else ""
    limits = budget_text(data["budgets"], data["ram_model"], data["runtime"])
    out.print(f"{index}one of {data['feasible']:,} feasible of {data['size']:,}{target}: {limits}", soft_wrap=True)
    out.print()
    rows = table("cost", ">value")
    for name, value in data["costs"].items():
        rows.add_row(name, quantity(name, value))
    out.print(rows)
    if data["latency_profile"]:
        out.print(profile_text(data["latency_profile"]))
    out.print(f"measured on {data['data']}; {data['seconds']:.0f} s")
    out.print("No network was trained: K, R and MeCo predict accuracy, and say nothing about its value.")
