"""Scores of many candidates, one after another or by several processes: the same numbers either way, in the same order.

Each candidate's network is built with weights from a seed of its own, scored on the same examples as all others, and
dropped; candidates that are the same network are scored once. PyTorch computes on one thread, since sums depend on how
many there are; processes are what makes it faster.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import Any

import torch

from samplers.proxies.base import ENSEMBLES, PROXIES, ClosedForm, Proxy, ProxyError, Subject, proxy
from samplers.proxies.data import Data
from samplers.proxies.ensemble import evaluate
from samplers.scores.worker_pool import ParallelMap, ordered
from spaces.errors import NascompileError, did_you_mean
from spaces.language.differences import differences
from spaces.language.reader import read_space
from spaces.program.candidate import Candidate, candidate_of
from spaces.program.graph import Budgets, Program
from spaces.program.network_keys import NetworkKeys
from spaces.program.variants import unroll

__all__ = ["COUNTED", "Scored", "batched", "batched_examples", "limited", "one_thread", "score", "weight_seed"]

#: Proxies of one batch of examples, or two: they share passes if the batch is the same.
_LABELLED = ("zico", "naswot", "snip", "grad_norm", "jacob_cov", "grasp")
_KERNEL_BATCH = 32
#: Proxies that need as many examples as their batch has, or twice as many.
COUNTED = (*_LABELLED, "ntk")


@dataclass(frozen=True)
class Scored:
    """A candidate and its scores.

    Args:
        candidate: the candidate.
        scores: name of the proxy -> score, in the order asked for.
    """

    candidate: Candidate
    scores: Mapping[str, float]


def batched(
    names: Iterable[str], batch: int | None = None, own: Mapping[str, int] = MappingProxyType({})
) -> list[Proxy]:
    """Proxies by name, and how many examples each takes.

    Args:
        names: of `samplers.proxies.base.PROXIES`, or of `ENSEMBLES`.
        batch: of ZiCo (two such batches), NASWOT, SNIP, grad-norm, the Jacobian's covariance and GraSP, which share
            passes where it is the same; the tangent kernel, one backward pass per image, takes at most 32 of them. The
            others have no batch of examples, and keep their own settings. By default what the ensemble says, else the
            proxy's own.
        own: name -> the batch of that proxy, whatever it is of.

    Raises:
        ProxyError: no such proxy, one that is named twice, or a batch that it cannot have.

    Example:
        >>> [p.options.get("batch") for p in batched(["meco", "zico", "snip", "ntk"], 64, {"snip": 16})]
        [1, 64, 16, 32]
        >>> [(p.name, p.options.get("batch")) for p in batched(["default"], own={"naswot": 64})][:4]
        [('naswot', 64), ('jacob_cov', 16), ('synflow', None), ('zen', 8)]
    """
    wanted: dict[str, int | None] = {}
    for name in names:
        for one, size in ENSEMBLES.get(name, {name: None}).items():
            if one in wanted:
                raise ProxyError.of("bad-option", f"`{one}` is named twice", "give each proxy once")
            wanted[one] = size
    if stray := next((name for name in own if name not in wanted), None):
        hint = did_you_mean(stray, wanted if stray not in PROXIES else ())
        raise ProxyError.of("bad-option", f"a batch is given for `{stray}`, which is not among the proxies", hint)
    sizes = {name: size for name, size in wanted.items() if size is not None}
    if batch is not None:
        sizes |= {name: batch for name in wanted if name in _LABELLED}
        sizes |= {name: min(batch, _KERNEL_BATCH) for name in wanted if name == "ntk"}
    sizes |= own
    return [proxy(name, batch=sizes[name]) if name in sizes else proxy(name) for name in wanted]


def limited(proxies: Iterable[Proxy], most: int) -> list[Proxy]:
    """The same proxies, with batches of at most so many examples.

    Example:
        >>> [p.options.get("batch") for p in limited(batched(["default"]), 12)]
        [12, 12, None, 8, None, None]
    """
    return [replace(p, batch=min(p.options["batch"], most)) if p.name in COUNTED else p for p in proxies]


def batched_examples(proxies: Iterable[Proxy], least: int = 0) -> int:
    """The largest batch of examples that proxies take, or `least`.

    Example:
        >>> batched_examples(batched(["default"])), batched_examples(batched(["zen", "meco"]))
        (16, 0)
    """
    return max((p.options["batch"] for p in proxies if p.name in COUNTED), default=least)


def score(
    candidates: Iterable[Candidate],
    proxies: Iterable[str | Proxy],
    data: Data | None = None,
    seed: int = 0,
    *,
    batch_norm: str = "kept",
    device: str = "cpu",
    jobs: int = 1,
    parallel_map: ParallelMap | None = None,
    known: Iterable[Scored] = (),
) -> Generator[Scored, None, None]:
    """Scores candidates as they come, in their order; no more than a few networks are in memory at any time.

    A candidate's scores depend on the candidate, the proxies' options, the data and the seed, and not on `jobs`; on the
    other candidates only where one before it is the same network, whose scores it then has, but for closed forms.

    Args:
        candidates: of one space; taken a few at a time.
        proxies: names, or proxies with options.
        data: labelled examples; closed-form proxies need none.
        seed: seeds the weights, for each candidate in its own way (`weight_seed`), and whatever else is random, for all
            candidates alike.
        batch_norm: `kept` builds networks with batch norms as they are trained, `folded` without.
        device: where networks run, `cpu` or `cuda`.
        jobs: number of processes. With more than one, see `samplers.scores.worker_pool.ordered`.
        parallel_map: hands the work out in place of these processes, as to other machines.
        known: candidates scored earlier, alike, so that what is the same network is not scored again.

    Yields:
        Each candidate with its scores.

    Raises:
        ProxyError: a proxy is unknown, a network or the data do not fit it, memory does not suffice, or the candidates
            are of several spaces.

    Example:
        >>> from solvers.base import solve
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import load_space
        >>> members = solve(compile_space(load_space("mlp2"), Budgets(rom=13_600)))
        >>> data = Data.gaussian((18,), classes=12, n=16)
        >>> found = list(score(members, batched(["zico", "snip", "params"], 8), data))
        >>> len(found), str(found[0].candidate), list(found[0].scores)
        (14, 'mlp2: 16-16', ['zico', 'snip', 'params'])
    """
    chosen = [one if isinstance(one, Proxy) else proxy(one) for one in proxies]
    networks = [one for one in chosen if not isinstance(one, ClosedForm)]
    remaining = iter(candidates)
    first = next(remaining, None)
    if first is None:
        return
    key = NetworkKeys(first.program).of if networks else _itself
    members = _Kept(chain([first], remaining), key)
    for one in known:
        members.found[key(one.candidate)] = one.scores
    context = _Context.of(first.program, networks, data, seed=seed, batch_norm=batch_norm, device=device)
    with closing(_network_scores(context, members, jobs, parallel_map)) as many:
        for candidate, found in members.scored(many):
            counts = {p.name: p.score(Subject(candidate=candidate)) for p in chosen if p not in networks}
            yield Scored(candidate, {p.name: float({**found, **counts}[p.name]) for p in chosen})


def _itself(candidate: Candidate) -> Hashable:
    """Where no network is built, each candidate is another."""
    return candidate.position, candidate.row


def _network_scores(
    context: _Context, members: Iterable[Candidate], jobs: int, parallel_map: ParallelMap | None
) -> Generator[dict[str, float], None, None]:
    """The scores by those proxies that need a network."""
    tasks = ((c.position, c.row) for c in members)
    if not context.proxies:
        yield from ({} for _ in tasks)
    elif jobs == 1 and parallel_map is None:
        yield from map(_Scorer(context), tasks)
    else:
        with closing((parallel_map or partial(ordered, jobs=jobs))(_Scorer, context, tasks)) as found:
            yield from found


class _Kept:
    """Hands on the first candidate of each network, and keeps all until their scores are there.

    Args:
        candidates: as they come.
        key: equal where candidates are the same network.

    Attributes:
        found: the scores of the networks that have been scored.
    """

    def __init__(self, candidates: Iterable[Candidate], key: Callable[[Candidate], Hashable]) -> None:
        self._candidates, self._key = candidates, key
        self._waiting: deque[tuple[Candidate, Hashable]] = deque()
        self._handed: dict[Hashable, None] = {}
        self._last: Candidate | None = None
        self.found: dict[Hashable, Mapping[str, float]] = {}

    def __iter__(self) -> Iterator[Candidate]:
        program = None
        for candidate in self._candidates:
            program = program or candidate.program
            if candidate.program is not program and candidate.program.space.text != program.space.text:
                told = differences(candidate.program.space, program.space)
                message = f"`{candidate}` and `{self._last}` are of different spaces{told}"
                raise ProxyError.of("different-spaces", message, "score the candidates of each on their own")
            self._last = candidate
            key = self._key(candidate)
            self._waiting.append((candidate, key))
            if key not in self.found and key not in self._handed:
                self._handed[key] = None
                yield candidate

    def scored(self, many: Iterable[Mapping[str, float]]) -> Iterator[tuple[Candidate, Mapping[str, float]]]:
        """All candidates with their scores, given those of what was handed on."""
        for found in many:
            key = next(iter(self._handed))
            del self._handed[key]
            self.found[key] = found
            yield from self._ready()
        yield from self._ready()

    def _ready(self) -> Iterator[tuple[Candidate, Mapping[str, float]]]:
        while self._waiting and self._waiting[0][1] in self.found:
            candidate, key = self._waiting.popleft()
            yield candidate, self.found[key]


def weight_seed(line: str, seed: int) -> int:
    """The seed of a candidate's initial weights: from its line, so that it does not depend on what else is scored.

    Example:
        >>> weight_seed("mlp2: 16-16", 0) == weight_seed("mlp2: 16-16", 0) != weight_seed("mlp2: 16-32", 0)
        True
    """
    digest = hashlib.sha256(f"{seed}\n{line}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


# -- in each process ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Context:
    """What a process needs to score candidates, all of it data: a program cannot be sent, its space's text can."""

    space: str
    proxies: tuple[Proxy, ...]
    examples: tuple[Any, Any, str] | None
    seed: int
    batch_norm: str
    device: str

    @classmethod
    def of(
        cls, program: Program, proxies: Sequence[Proxy], data: Data | None, seed: int, batch_norm: str, device: str
    ) -> _Context:
        examples = None if data is None else (data.images.cpu().numpy(), data.labels.cpu().numpy(), data.source)
        return cls(program.space.text, tuple(proxies), examples, seed=seed, batch_norm=batch_norm, device=device)


class _Scorer:
    """Scores candidates given as position and row."""

    def __init__(self, context: _Context) -> None:
        self.context = context
        self.program = _uncosted(context.space)
        self.data = None
        if context.examples is not None:
            images, labels, source = context.examples
            self.data = Data(torch.from_numpy(images), torch.from_numpy(labels), source)

    def __call__(self, task: tuple[int, Sequence[int]]) -> dict[str, float]:
        candidate, context = candidate_of(self.program, *task), self.context
        try:
            with one_thread():
                seed = weight_seed(str(candidate), context.seed)
                net = candidate.build(seed=seed, batch_norm=context.batch_norm).to(context.device)
                return evaluate(Subject(net, candidate), context.proxies, self.data, context.seed)
        except (RuntimeError, MemoryError, ProxyError) as error:
            if _is_out_of_memory(error):
                raise _out_of_memory(candidate, context.device) from error
            if not isinstance(error, ProxyError):
                raise
            raise ProxyError(replace(d, message=f"{candidate}: {d.message}") for d in error.diagnostics) from error


def _uncosted(text: str) -> Program:
    """A program of this space with nothing tabulated: enough to build networks, at once."""
    space = read_space(text, "<scoring>")
    return Program(space, unroll(space), Budgets(), "", space.ram_model)


@contextmanager
def one_thread() -> Iterator[None]:
    """Lets PyTorch compute on one thread, where sums are always added up alike."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Whether memory ran out here or in what caused this; on a CPU, torch tells only by the words."""
    while error is not None:
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            return True
        if isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error):
            return True
        error = error.__cause__
    return False


def _out_of_memory(candidate: Candidate, device: str) -> NascompileError:
    message = f"{candidate}: its batches do not fit into the memory of the {device.upper()}"
    hint = "score all candidates with a smaller batch; scores of different batches do not compare"
    if device == "cpu":
        hint += "; or use fewer jobs"
    return ProxyError.of("out-of-memory", message, hint)
