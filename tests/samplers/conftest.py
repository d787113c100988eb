"""Small networks run fastest on one thread, above all when several test processes share the cores; Optuna is quiet."""

from __future__ import annotations

from collections.abc import Iterator

import optuna
import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def silent_optuna() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)
