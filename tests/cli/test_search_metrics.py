"""What a search measures and maximises, as its user sees it; and what it refuses before it trains."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest

from tests.cli.conftest import Run
from tests.run.examples import SPACE

QUICK = ("--epochs", "3", "--train", "lr=0.02", "--train", "batch=16")
GROUPED = SPACE.replace("choices:\n", "choices:\n  S: {options: [0, 0.5], shared: true}\n").replace(
    "  - conv: {filters: M, kernel: 3, activation: relu}\n", '  - conv: {filters: "8 * (1 - S)", groups: 2}\n'
)


@pytest.fixture(autouse=True)
def files(run: Run) -> None:
    (run.folder / "nine.yaml").write_text(SPACE)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 1, 8, 8)).astype(np.float32)
    y = (np.arange(300) % 5 == 0).astype(int)
    x[y == 1, :, :, :4] += 0.6
    words, top = np.array(["often", "rare"])[y], x[:, 0, :4].mean((1, 2))
    np.savez(run.folder / "classes.npz", x=x, y=words)
    np.savez(run.folder / "numbers.npz", x=x, y=np.stack([200 + 30 * top, np.abs(top)], axis=1))
    np.savez(run.folder / "labels.npz", x=x, y=np.stack([top > 0.1, x[:, 0, :, :4].mean((1, 2)) > 0], axis=1))


def test_the_metric_asked_for_is_what_networks_are_chosen_by(run: Run) -> None:
    done = run("search", "nine.yaml", "--data", "classes.npz", "--samples", "2", "--quantise", "ptq", *QUICK,
               "--metric", "balanced_accuracy", "--train", "balance=weights", "-o", "r")  # fmt: skip
    assert done.code == 0
    assert "by validation balanced accuracy against flops" in done.stdout
    assert "guessing, the same for all, reaches 50.00 %" in done.stdout
    data = json.loads((run.folder / "r/results.json").read_text())
    best = max((row for row in data["networks"] if row["chosen"]), key=lambda row: row["valid_int8"])
    report = data["reports"][str(best["number"])]
    assert report.keys() == {"float", "ptq"}
    assert best["test_int8"] == report["ptq"]["metrics"]["balanced_accuracy"]
    recalls = [one["recall"] for one in report["ptq"]["classes"]]
    assert best["test_int8"] == pytest.approx(np.mean(recalls))
    assert [sum(row) for row in report["ptq"]["confusion"]] == [48, 12]
    shown = run("show", f"r#{best['number']}")
    assert shown.code == 0
    assert "is, taken for" in shown.stdout
    low, high = report["ptq"]["interval"]
    assert f"{100 * low:.1f} to {100 * high:.1f} %" in shown.stdout
    assert "int8, after training, ships" in shown.stdout
    assert json.loads(run("show", f"r#{best['number']}", "--json").stdout)["reports"] == report


def test_accuracies_have_intervals_and_a_small_validation_part_is_said(run: Run) -> None:
    done = run(
        "search", "nine.yaml", "--data", "classes.npz", "--samples", "2", "--quantise", "none", *QUICK, "-o", "r"
    )
    data = json.loads((run.folder / "r/results.json").read_text())
    for row in data["networks"]:
        for name in ("valid", "test"):
            low, high = row["intervals"][name]
            assert low <= row[name] <= high
    assert "intervals" not in (run.folder / "r/results.csv").read_text()
    assert f"{data['examples']['test']} examples); the test part chose nothing" in done.stdout
    assert "of 30 validation examples an accuracy has a 95 % interval of" in done.stdout
    assert data["agreement"] == {}
    assert "Kendall" not in done.stdout


def test_numbers_are_predicted_in_their_own_unit(run: Run) -> None:
    done = run("search", "nine.yaml", "--data", "numbers.npz", "--task", "regression", "--samples", "2", *QUICK,
               "--qat-epochs", "1", "--metric", "mae", "-o", "r")  # fmt: skip
    assert done.code == 0
    assert "by validation MAE against flops" in done.stdout
    data = json.loads((run.folder / "r/results.json").read_text())
    best = min((row for row in data["networks"] if row["chosen"]), key=lambda row: row["valid_int8"])
    assert f"#{best['number']}: test MAE" in done.stdout
    assert best["test"] < data["guess"]["test"]["mae"]
    assert all(row["valid_int8"] >= best["valid_int8"] for row in data["networks"])
    scale = json.loads((run.folder / "r/data.json").read_text())["targets"]
    assert 195 < scale["mean"][0] < 205
    outputs = data["reports"][str(best["number"])]["float"]["outputs"]
    assert np.mean([one["mae"] for one in outputs]) == pytest.approx(best["test"])
    assert "output" in run("show", f"r#{best['number']}").stdout
    with (run.folder / "r/results.csv").open(newline="") as file:
        assert float(next(csv.DictReader(file))["test"]) == data["networks"][0]["test"]
    assert run("deploy", f"r#{best['number']}", "--mcu", "stm32f412", "-o", "c").code == 0
    assert "#define NC_TARGET_DEVIATION { " in (run.folder / "c/include/network.h").read_text()
    same = run("select", "r", "-k", "1", "--json")
    assert [one["candidate"] for one in json.loads(same.stdout)["chosen"]] == [best["candidate"]]


def test_several_labels(run: Run) -> None:
    done = run("search", "nine.yaml", "--data", "labels.npz", "--samples", "1", "--quantise", "ptq", *QUICK, "-o", "r")
    assert done.code == 0
    assert "by validation F1 against flops" in done.stdout
    assert "AUC" in run("show", "r#0").stdout


def test_where_all_trainings_diverge_the_answer_is_no(run: Run) -> None:
    done = run("search", "nine.yaml", "--data", "classes.npz", "--samples", "2", "--quantise", "none",
               "--epochs", "2", "--train", "lr=1e30", "--train", "optimiser=sgd", "-o", "r")  # fmt: skip
    assert done.code == 1
    assert "training has diverged" in done.stdout
    assert "no network could be trained" in done.stdout
    again = run("resume", "r", "--json")
    assert again.code == 1
    assert all("diverged" in row["error"] for row in json.loads(again.stdout)["networks"])
    assert "not trained:" in run("show", "r#0").stdout


def test_of_ten_networks_tau_has_n_and_p(run: Run) -> None:
    (run.folder / "more.yaml").write_text(SPACE.replace("[2, 4, 6]", "[2, 3, 4, 6]"))
    done = run("search", "more.yaml", "--data", "classes.npz", "--samples", "10", "--quantise", "none", "--pruner",
               "none", "--epochs", "1", "--train", "lr=0.02", "-o", "r")  # fmt: skip
    agreement = json.loads((run.folder / "r/results.json").read_text())["agreement"]
    assert agreement["flops"].keys() == {"tau", "n", "p"}
    assert agreement["flops"]["n"] == 10
    assert "Kendall's tau with the test accuracy of 10 networks: flops " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--metric", "r2"), "the task `classification` has no metric `r2`"),
        (("--task", "regresion"), "--task cannot be `regresion`"),
        (("--task", "regression"), "the targets of .* are of type"),
        (("--train", "balance=weight"), "`balance` cannot be `weight`"),
        (("--sparsity", "S", "--epochs", "4"), "4 steps of pruning in 4 epochs"),
        (("--train", "metric=map50"), "has no metric `map50`"),
        (
            ("--data", "numbers.npz", "--task", "regression", "--sampler", "pareto", "--samples", "2"),
            "for classification",
        ),
    ],
)
def test_what_is_refused_leaves_no_folder(run: Run, arguments: tuple[str, ...], message: str) -> None:
    done = run("search", "nine.yaml", "--data", "classes.npz", *arguments, "-o", "r")
    assert done.code == 2
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert not (run.folder / "r").exists()


def test_networks_that_cannot_be_pruned_are_known_before_the_first_epoch_and_the_way_out_works(run: Run) -> None:
    (run.folder / "grouped.yaml").write_text(GROUPED)
    search = ("search", "grouped.yaml", "--data", "classes.npz", "--samples", "3", "--epochs", "5", "-o", "r",
              "--quantise", "none")  # fmt: skip
    done = run(*search, "--sparsity", "S")
    assert done.code == 2
    assert "a convolution of 2 groups cannot be pruned" in done.stderr
    assert "of the 3 networks asked for" in done.stderr
    assert not list((run.folder / "r").glob("networks/*/*.safetensors"))
    assert run(*search).code == 0


@pytest.mark.parametrize(("name", "text"), [("r#9", "no network 9"), ("r2#0", "no run")])
def test_networks_that_are_not_there(run: Run, name: str, text: str) -> None:
    run(
        "search",
        "nine.yaml",
        "--data",
        "classes.npz",
        "--samples",
        "1",
        "--quantise",
        "none",
        "--epochs",
        "1",
        "-o",
        "r",
    )
    done = run("show", name)
    assert done.code == 2
    assert text in done.stderr, done.stderr
