"""Runs on a real Ray cluster: the same tables as on one machine, also where a node or the leader is lost on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nascompile.run.data import load_data
from nascompile.run.errors import RunError
from nascompile.run.folder import RunFolder
from nascompile.run.lead import lead
from nascompile.run.outcome import Outcome, finish
from nascompile.run.proxies import proxy_examples
from nascompile.run.ray_cluster import RayCluster, load_ray
from nascompile.run.ray_engine import RayEngine
from nascompile.run.settings import RunSettings
from nascompile.run.steps import PTQ, Step, Task
from nascompile.run.trials import task_of
from nascompile.training.recipes import recipe
from samplers.scores.scoring import batched, score
from samplers.scores.worker_pool import WorkerError
from spaces.errors import Diagnostic, NascompileError
from tests.run.examples import data_file, settings, small_set

try:
    # Before anyone else imports it, as a command does: what Ray prints is decided then.
    load_ray()
except RunError:
    pytest.skip("needs nascompile[ray]", allow_module_level=True)

#: Long enough to be caught in the middle.
SLOW = recipe("ebs", lr=0.02, batch=16, epochs=80)
STORE = 80 * 2**20


class Nodes:
    """A head without CPUs, and nodes of one CPU each."""

    def __init__(self, count: int) -> None:
        from ray.cluster_utils import Cluster

        common = {"object_store_memory": STORE, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **common})
        self.nodes = [self.add() for _ in range(count)]

    def add(self) -> Any:
        return self.cluster.add_node(num_cpus=1, object_store_memory=STORE)

    def kill(self, node_id: str) -> None:
        (node,) = (node for node in self.nodes if node.node_id == node_id)
        self.nodes.remove(node)
        self.cluster.remove_node(node, allow_graceful=False)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """A cluster of our own; whoever runs beside us has another one."""
    # A path of a socket has at most 107 characters.
    folder = tempfile.mkdtemp(prefix="r", dir="/tmp")
    patched = pytest.MonkeyPatch()
    patched.setenv("RAY_TMPDIR", folder)
    patched.setenv("RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE", "1")
    patched.delenv("RAY_ADDRESS", raising=False)
    made = Nodes(2)
    patched.setenv("RAY_ADDRESS", str(made.cluster.address))
    try:
        # One connection for all, since each has processes of its own on the nodes, which load PyTorch first.
        with RayCluster():
            yield made
    finally:
        made.cluster.shutdown()
        patched.undo()
        shutil.rmtree(folder, ignore_errors=True)


def made(tmp_path: Path, name: str, **changes: object) -> RunFolder:
    given: RunSettings = settings(data_file(tmp_path), **changes)
    return RunFolder.create(tmp_path / name, given, small_set(tmp_path))


def ended(folder: RunFolder, engine: str, jobs: int | None = None) -> Outcome:
    data = load_data(folder)
    return finish(folder, lead(folder, data, jobs, "cpu", engine=engine), data)


def tables(folder: RunFolder) -> dict[str, bytes]:
    """All of a run that must not depend on who trained."""
    names = ("results.csv", "results.json")
    found = {name: (folder.path / name).read_bytes() for name in names}
    return found | {str(p.relative_to(folder.path)): p.read_bytes() for p in folder.path.glob("networks/*/[fp]*.saf*")}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one machine finds by four slow trainings."""
    folder = made(tmp_path_factory.mktemp("local"), "run", recipe=SLOW)
    ended(folder, "local")
    return tables(folder)


def numbers_trained(folder: RunFolder) -> list[int]:
    trials = folder.trials().all()
    return sorted(t.number for t in map(task_of, (t for t in trials if t.state.name == "COMPLETE")) if t.step != PTQ)


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def test_a_node_is_killed_and_the_table_is_the_local_one(
    tmp_path: Path, nodes: Nodes, local: dict[str, bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    folder = made(tmp_path, "run", recipe=SLOW)
    lost: list[int] = []

    def kill() -> None:
        """The node of a candidate, once a checkpoint of it is here and its end is not."""
        trials = folder.trials()

        def training() -> Any:
            running = [t for t in trials.all() if t.state.name == "RUNNING" and "node" in t.user_attrs]
            return [t for t in running if (folder.network(t.user_attrs["number"]) / "training.safetensors").exists()]

        trial = until(training)[0]
        lost.append(trial.user_attrs["number"])
        nodes.kill(trial.user_attrs["node"])

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        ended(folder, "ray")
    finally:
        killer.join()
        nodes.nodes.append(nodes.add())
    assert tables(folder) == local
    assert numbers_trained(folder) == list(range(4))
    trials = folder.trials().all()
    assert [t.user_attrs["number"] for t in trials if t.state.name == "FAIL"] == lost
    assert len({t.user_attrs["node"] for t in trials}) >= 2
    assert capfd.readouterr() == ("", "")


def test_a_killed_leader_loses_nothing(tmp_path: Path, nodes: Nodes, local: dict[str, bytes]) -> None:
    folder = made(tmp_path, "run", recipe=SLOW)
    command = [sys.executable, "-m", "nascompile", "resume", str(folder.path), "--engine", "ray", "--jobs", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as leader:
        until(lambda: (folder.network(1) / "training.safetensors").exists())
        os.kill(leader.pid, signal.SIGKILL)
    stamps = {p: p.stat().st_mtime_ns for p in folder.network(0).iterdir() if p.name != "ptq.json"}
    assert (folder.network(0) / "train-80.json").exists()
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert [row["number"] for row in json.loads(done.stdout)["networks"]] == [0, 1, 2, 3]
    assert "Traceback" not in done.stderr
    assert tables(folder) == local
    assert numbers_trained(folder) == [0, 1, 2, 3]
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps


def test_a_training_goes_on_from_the_checkpoint_that_came_back(tmp_path: Path, nodes: Nodes) -> None:
    folder = made(tmp_path, "run", samples=1, recipe=SLOW)
    on_progress: list[str] = []
    data = load_data(folder)
    checkpoint = folder.network(0) / "training.safetensors"
    folder.trials().add([(Task(0, Step.train(80)), folder.fs[0])])
    with RayEngine(folder, data, 1, "cpu", lambda number, what: on_progress.append(what), every=0.0) as engine:
        assert engine.step(engine.trials.all())
        assert not engine.step(engine.trials.all())
        until(lambda: engine.wait(0.1) or checkpoint.exists())
    (trial,) = folder.trials().all()
    assert trial.state.name == "WAITING"
    epochs = len(on_progress)
    with RayEngine(folder, data, 1, "cpu", lambda number, what: on_progress.append(what), every=0.0) as engine:
        assert engine.step(engine.trials.all())
        until(lambda: engine.wait(0.1) or engine.trials.results())
    first = int(on_progress[epochs].split()[1])
    assert first >= epochs > 0
    assert on_progress[-1] == "epoch 80 of 80"


def test_scores_by_proxies_are_the_local_ones_in_the_same_order(tmp_path: Path, nodes: Nodes) -> None:
    folder = made(tmp_path, "run")
    data = proxy_examples(load_data(folder), 16, 0)
    proxies = batched(["snip", "naswot", "meco"], 16)
    local = [(str(one.candidate), one.scores) for one in score(folder.fs, proxies, data, 3)]
    with RayCluster() as cluster:
        far = [(str(o.candidate), o.scores) for o in score(folder.fs, proxies, data, 3, parallel_map=cluster.ordered)]
    assert far == local
    assert len(far) == 9


def test_pareto_chooses_and_trains_as_it_does_locally(tmp_path: Path, nodes: Nodes) -> None:
    own = {"method": "nsga2", "objectives": {"flops": "min", "snip": "max"}, "population": 3, "trials": 6, "batch": 16}
    runs = [made(tmp_path, name, sampler="pareto", parameters=own, samples=2) for name in ("local", "ray")]
    for folder, engine in zip(runs, ("local", "ray"), strict=True):
        ended(folder, engine)
    assert tables(runs[0]) == tables(runs[1])
    assert (runs[0].path / "trials.jsonl").read_bytes() == (runs[1].path / "trials.jsonl").read_bytes()


def test_errors_come_back_as_they_are(tmp_path: Path, nodes: Nodes) -> None:
    with RayCluster(jobs=2) as cluster:
        with pytest.raises(WorkerError, match="the nodes of a task were lost four times"):
            list(cluster.ordered(os._exit, 3, [1]))
        with pytest.raises(RunError, match="not this one"):
            list(cluster.ordered(_picky, None, [1]))
        assert list(cluster.ordered(_late, 0.05, range(6))) == list(range(6))
    folder = made(tmp_path, "run", samples=2)
    folder.trials().add_lines([(Task(0, Step.train(3)), "nine: 1000-1000", {})])
    with pytest.raises(NascompileError, match=r"on node \w+: "):
        ended(folder, "ray")
    assert {t.state.name for t in folder.trials().all()} <= {"WAITING", "COMPLETE"}
    with pytest.raises(RunError, match="no node of the Ray cluster has what a task asks for: 1 CPU and a GPU"):
        lead(folder, load_data(folder), None, "cuda", engine="ray")


def _picky(setting: None) -> Callable[[int], Any]:
    raise RunError(Diagnostic("refused", "not this one", None, ""))


def _late(unit: float) -> Callable[[int], int]:
    def work(task: int) -> int:
        time.sleep(unit * (5 - task))
        return task

    return work


def test_clusters_that_are_none() -> None:
    code = (
        "import os, sys; from nascompile.run.ray_cluster import RayCluster\n"
        "from nascompile.run.errors import RunError\n"
        "for os.environ['RAY_ADDRESS'] in sys.argv[1:]:\n"
        "    try: RayCluster().__enter__()\n"
        "    except RunError as error: print(error.diagnostics[0].message)"
    )
    command = [sys.executable, "-c", code, "127.0.0.1:1", "nonsense", "ray://host:10001"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "cannot connect to the Ray cluster `127.0.0.1:1`: [Errno 111] Connection refused",
        "cannot connect to the Ray cluster `nonsense`: this is no HOST:PORT",
        "RAY_ADDRESS is `ray://host:10001`, an address for Ray's client, which streams no results",
    ]
    assert done.stderr == ""


def test_without_ray_there_is_one_clear_error(tmp_path: Path) -> None:
    data_file(tmp_path)
    small_set(tmp_path)
    code = (
        "import sys; sys.modules['ray'] = None\n"
        "from nascompile.cli import main\n"
        "sys.argv = ['nascompile', 'search', 'nine.yaml', '--data', 'halves.npz', '--engine', 'ray']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --engine ray needs Ray, which cannot be imported")
    assert done.stderr.endswith("pip install 'nascompile[ray]'\n")
    assert not (tmp_path / "nine-entropy-0").exists()


def test_ray_is_loaded_only_for_its_engine() -> None:
    code = (
        "import sys; import nascompile.cli.search.train, nascompile.run.lead, nascompile.run.ray_cluster\n"
        "import nascompile.run.ray_engine; print('ray' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
