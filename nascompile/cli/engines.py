"""The options `--engine`, `--device` and `--logger`: what computes, and what is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from nascompile.cli.examples import check_device
from nascompile.run.settings import ENGINES
from samplers.scores.worker_pool import ParallelMap
from spaces.errors import NascompileError, did_you_mean

__all__ = ["Device", "Engine", "Logger", "check_engine", "spreading"]

Device = Annotated[str, typer.Option("--device", help="cpu or cuda.", metavar="NAME")]
Engine = Annotated[
    str,
    typer.Option(
        "--engine",
        help="local, or ray: the cluster of RAY_ADDRESS, else one that runs on this machine, else one of its own.",
        metavar="NAME",
    ),
]


Logger = Annotated[
    list[str] | None,
    typer.Option(
        "--logger", help="Tell tensorboard (RUN/tensorboard) or mlflow of each network, in the end.", metavar="NAME"
    ),
]


def check_engine(engine: str, device: str) -> None:
    """Whether there is such an engine, and networks can run there; a cluster is asked when it is connected.

    Raises:
        NascompileError: there is no such engine or device, or Ray is not installed.
    """
    if engine == "local":
        check_device(device)
    elif engine == "ray":
        from nascompile.run.ray_cluster import load_ray

        load_ray()
        # Whether a node has a GPU, the cluster says.
        if device != "cuda":
            check_device(device)
    else:
        raise NascompileError.of("unknown-engine", f"there is no engine `{engine}`", did_you_mean(engine, ENGINES))


@contextmanager
def spreading(engine: str, device: str, jobs: int | None) -> Iterator[ParallelMap | None]:
    """What hands work out in place of processes of this machine; None for these.

    Raises:
        RunError: the cluster cannot be used.
    """
    if engine == "local":
        yield None
        return
    from nascompile.run.ray_cluster import RayCluster

    with RayCluster(device, jobs) as cluster:
        yield cluster.ordered
