"""What there is, what is allowed, and that every step says beforehand what it takes."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import nascompile as nc
from solvers import conjoin, interval, memory, part, pingpong
from solvers import diagram as engine
from solvers.base import SOLVERS, solve
from solvers.sets import tree
from spaces.errors import EngineError
from spaces.language.reader import read_space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets

MB = 1 << 20


class TestWhatThereIs:
    def test_it_is_no_more_than_the_limit_of_the_process(self) -> None:
        lines = [
            "import resource",
            f"resource.setrlimit(resource.RLIMIT_AS, ({3000 * MB}, {3000 * MB}))",
            "from solvers.memory import allowed, available",
            "print(available(), allowed())",
        ]
        done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
        assert done.stdout.split() == [str(3000 * MB), str(3000 * MB * 60 // 100)]

    def test_the_limits_of_containers(self, tmp_path: Path) -> None:
        files = {
            "proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/docker/a\n0::/user/b\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/docker/a/memory.limit_in_bytes": "700\n",
            "sys/fs/cgroup/user/b/memory.max": "max\n",
            "sys/fs/cgroup/user/memory.max": "600\n",
        }
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        assert sorted(memory._containers(tmp_path)) == [600, 700, 9223372036854771712]
        assert list(memory._containers(tmp_path / "nowhere")) == []

    def test_what_the_process_holds(self) -> None:
        """In a process of its own: one that ran for long has freed memory to give, and holds no more afterwards."""
        lines = [
            "import numpy as np",
            "from solvers.memory import in_use",
            "before = in_use()",
            f"held = np.ones({40 * MB}, np.uint8)",
            "print(in_use() - before)",
        ]
        done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
        assert 35 * MB < int(done.stdout) < 60 * MB


class TestWhatIsAllowed:
    def test_the_innermost_holds(self) -> None:
        outside = memory.allowed()
        with memory.at_most(5000):
            with memory.at_most(None):
                assert memory.allowed() == 5000
            with memory.at_most(4000):
                assert memory.allowed() == 4000
            assert memory.allowed() == 5000
        assert memory.allowed() == outside

    def test_one_message_with_what_is_needed_and_the_remedy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(memory, "in_use", lambda: 512 * MB)
        with memory.at_most(612 * MB), pytest.raises(EngineError) as caught:
            memory.need(5 << 30, 123_456)
        (told,) = caught.value.diagnostics
        assert told.code == "too-large"
        assert told.message.startswith("with 123,456 nodes in a level of the decision diagram, solving would take 5.5")
        assert "--max-memory" in told.hint
        assert "--solver relaxed" in told.hint

    def test_nodes_are_numbered_by_32_bits(self) -> None:
        with pytest.raises(EngineError, match="2,147,483,647 nodes"):
            memory.need(0, 2**31 - 1)

    @pytest.mark.parametrize("solver", ["diagram", "cp-sat", "exhaustive"])
    def test_every_engine_stops_in_time(self, solver: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also those that list: what counts is what is found so far."""
        program = nc.compile("dscnn", mcu="ebs-small", overrides=["network.2.repeat=4"])
        assert solver in SOLVERS
        monkeypatch.setattr(memory, "_SMALL", 1000)
        with pytest.raises(EngineError) as caught:
            solve(program, solver, max_memory=1)
        assert [d.code for d in caught.value.diagnostics] == ["too-large"]

    def test_python_takes_it_as_text(self) -> None:
        assert nc.reduce("mlp2", rom=13_600, max_memory="1GiB").size == 14
        with pytest.raises(EngineError, match="2 MiB are allowed"):
            nc.reduce("dscnn", rom="512KiB", overrides=["choices.M.step=7"], solver="diagram", max_memory="2MiB")


@contextmanager
def measured(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, int]]]:
    """Pairs of what was said would be needed, and what was then allocated at once until the next time it was said."""
    pairs: list[tuple[int, int]] = []
    last = {"said": 0, "held": 0}

    def close() -> None:
        pairs.append((last["said"], tracemalloc.get_traced_memory()[1] - last["held"]))

    def need(size: int, nodes: int = 0) -> None:
        close()
        tracemalloc.reset_peak()
        last.update(said=size, held=tracemalloc.get_traced_memory()[0])

    for module in (conjoin, engine, interval, part, pingpong, tree):
        monkeypatch.setattr(module, "need", need)
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        yield pairs
        close()
    finally:
        tracemalloc.stop()


def chain_of(layers: int, widths: str, kind: str = "ds_conv: {filters: M}") -> str:
    """The text of a space: so many layers, the same choice in all of them."""
    last = "  - global_avg_pool\n  - linear: {units: 10}\n"
    network = f"  - conv: {{filters: M, stride: 2}}\n  - {kind}\n    repeat: {layers - 1}\n{last}"
    keys = "space: chain\ninput: {channels: 3, height: 32, width: 32}\ndtype: int8\nbias: true\n"
    return f"{keys}choices:\n  M: {widths}\nnetwork:\n{network}"


class TestEstimates:
    @pytest.mark.parametrize(
        ("text", "budgets"),
        [
            (chain_of(4, "{start: 1, stop: 64, step: 1}", "conv: {filters: M}"), Budgets(rom=40_000)),
            (chain_of(6, "{start: 8, stop: 192, step: 8}"), Budgets(rom=60_000, ram=40_000)),
            (chain_of(12, "{start: 8, stop: 64, step: 8}"), Budgets(rom=22_000, ram=20_000, macs=6_000_000)),
        ],
        ids=["one sum of many values", "a sum and RAM", "two sums and RAM"],
    )
    @pytest.mark.parametrize("counting", [True, False], ids=["counted", "solved"])
    def test_steps_take_what_they_say(
        self, text: str, budgets: Budgets, counting: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Never more, but for blocks that fit the cache; and the largest ones not less than a third of it."""
        program = compile_space(read_space(text), budgets)
        # Small blocks, so that a few megabytes are large beside them.
        for module, name in ((tree, "ROW_BLOCK"), (interval, "ROW_BLOCK"), (tree, "_BLOCK")):
            monkeypatch.setattr(module, name, 1 << 13)
        with measured(monkeypatch) as pairs:
            if counting:
                counted = sum(engine.chain_count(chain, program.ram_model) for chain in program.chains)
            else:
                counted = engine.solve(program).size
        assert 0 < counted < program.size
        assert [(said, took) for said, took in pairs if took > said + MB] == []
        large = [(said, took) for said, took in pairs if said > 3 * MB]
        assert large
        assert [(said, took) for said, took in large if took * 3 < said] == []
