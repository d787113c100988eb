"""Random programs: spaces, compiled for a runtime and a latency profile, with budgets that just keep or miss some."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from spaces.costs.energy import Energy
from spaces.costs.latency import LatencyProfile
from spaces.costs.prices import Terms
from spaces.errors import EngineError
from spaces.language.reader import read_space
from spaces.language.space import Space
from spaces.program.compile import compile_space
from spaces.program.graph import Program
from spaces.runtimes.base import Runtime
from spaces.runtimes.ebs import Ebs
from spaces.runtimes.nascompile_c import NascompileC
from spaces.targets.catalogue import load_target
from tests.strategies import bounds, budgets_for, cost_samples, small_spaces

M4 = load_target("stm32f412")
KINDS = ("conv", "depthwise", "pointwise", "linear", "add", "relu", "max_pool", "avg_pool", "batch_norm")

amounts = st.integers(0, 5000).map(lambda n: Fraction(n, 64))
terms = st.builds(Terms, mac=amounts, output=amounts, op=amounts)
few_kinds = st.dictionaries(st.sampled_from(KINDS), terms, max_size=3)


@st.composite
def profiles(draw: st.DrawFn, dtype: str) -> LatencyProfile:
    """A profile that covers every operator; in nanoseconds or in cycles of an odd clock, perhaps with energies."""
    cycles = draw(st.booleans())
    return LatencyProfile(
        "random",
        dtype,
        clock_hz=draw(st.sampled_from([333_333_333, 48_000_000])) if cycles else 0,
        unit="cycles" if cycles else "ns",
        network=draw(amounts),
        kinds=draw(few_kinds),
        default=draw(terms),
        energy=draw(st.none() | st.builds(Energy, network=amounts, kinds=few_kinds, default=terms)),
    )


@st.composite
def runtimes(draw: st.DrawFn, dtype: str) -> NascompileC:
    """That of the library, or one with any sizes and any needs."""
    measured = NascompileC.find(M4, dtype)
    if draw(st.booleans()):
        return measured
    sizes = st.integers(0, 5000)
    code = {kernel: draw(sizes) for kernel in (*measured.code, "shared")}
    needs = {kernel: ("shared", *parts) for kernel, parts in measured.needs.items()}
    return replace(measured, base=draw(sizes), call=draw(st.integers(0, 60)), code=code, needs=needs)


@st.composite
def programs(draw: st.DrawFn, max_size: int = 300) -> Program:
    """Whatever the language, the runtimes and the profiles give, with budgets."""
    text = draw(small_spaces(max_size))
    own_code = not draw(st.integers(0, 2))
    if own_code:
        # Our C has no float16.
        text = text.replace('dtype: "float16"\n', 'dtype: "int8"\n')
    space = read_space(text)
    latency = draw(st.none() | profiles(space.settings.dtype))
    program = _compiled(space, draw(runtimes(space.settings.dtype)) if own_code else Ebs(), latency)
    attained = cost_samples(program)["latency"] if latency else np.zeros(0)
    if attained.size and draw(st.booleans()):
        bound = draw(bounds(attained))
        more = draw(st.sampled_from([f"latency <= {bound}", f"latency // 2 + ram >= {bound // 2}"]))
        constraints = [*space.document.source.data.get("constraints", ()), more]
        space = read_space(text, overrides=[f"constraints={json.dumps(constraints)}"])
        program = compile_space(space, runtime=program.runtime, latency=latency)
    model = draw(st.sampled_from(["pingpong", "liveness"]))
    budgets = draw(budgets_for(program))
    return compile_space(space, budgets, ram_model=model, runtime=program.runtime, latency=latency)


def _compiled(space: Space, runtime: Runtime, latency: LatencyProfile | None) -> Program:
    """The program; with the paper's runtime where our C does not do for a layer."""
    try:
        return compile_space(space, runtime=runtime, latency=latency)
    except EngineError:
        return compile_space(space, latency=latency)
