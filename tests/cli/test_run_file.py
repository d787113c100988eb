"""Run files: what `search --init` writes is every option, and what `--file` reads is as if it were typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nascompile.cli.app import load
from nascompile.cli.options import flag, parameters
from nascompile.cli.search.options import SearchOptions
from spaces.language.source import read_yaml
from spaces.yaml_text import yaml_value
from tests.cli.conftest import Run

NOT_SETTINGS = {"--file", "--init", "--json"}
PARETO = ("--sampler", "pareto", "--trials", "4", "--batch", "4", "--population", "2")
#: Quick proxies.
OBJECTIVES = ("--objectives", "flops,snip")


def keys(text: str) -> set[str]:
    """The options of a run file, those behind a # too."""
    lines = [line.removeprefix("# ") for line in text.splitlines()]
    return {line.partition(":")[0] for line in lines if line.partition(":")[0].replace("-", "").isalpha()}


def active(text: str) -> dict[str, Any]:
    return dict(read_yaml(text, "run.yaml").data)


def test_every_option_is_in_it_with_its_help(run: Run) -> None:
    done = run("search", "--init")
    assert done.code == 0
    wanted = {flag(one).removeprefix("--") for one, _ in parameters(SearchOptions) if flag(one) not in NOT_SETTINGS}
    assert wanted <= keys(done.stdout)
    said = " ".join(line.removeprefix("# ") for line in done.stdout.splitlines())
    helps = [one.help for one in load("search").params if one.name not in ("file", "init", "as_json", "help")]
    assert len(helps) > 40
    assert all(" ".join(text.split()) in said for text in helps)


def test_what_is_given_stands_in_it_and_comes_back(run: Run) -> None:
    """The same file again, of the file alone."""
    given = ("mlp2", "dtype=int8", "choices.M.options=[16, 32]", "--rom", "1e5", "--seed", "3", *PARETO)
    text = run("search", *given, "--init").stdout
    found = active(text)
    assert (found["space"], found["overrides"]) == ("mlp2", ["dtype=int8", "choices.M.options=[16, 32]"])
    assert (found["rom"], found["seed"], found["trials"]) == ("1e5", 3, 4)
    assert "samples" not in found
    assert "epochs" not in found
    Path("run.yaml").write_text(text)
    assert run("search", "--file", "run.yaml", "--init").stdout == text


def test_the_search_is_the_same_as_of_the_command_line(run: Run) -> None:
    typed = run("search", "mlp2", "--rom", "100kB", "--json", "--out", "a.csv", *PARETO, *OBJECTIVES)
    Path("run.yaml").write_text(run("search", "mlp2", "--rom", "100kB", *PARETO, *OBJECTIVES, "--init").stdout)
    read = run("search", "--file", "run.yaml", "--json", "--out", "b.csv", "--log", "b.jsonl")
    assert typed.code == read.code == 0, read.stderr
    assert Path("a.csv").read_text() == Path("b.csv").read_text()
    fewer = run("search", "--file", "run.yaml", "--json", "--trials", "2", "--log", "c.jsonl", "choices.M.stop=32")
    assert fewer.code == 0, fewer.stderr
    found = [json.loads(line)["candidate"] for line in Path("c.jsonl").read_text().splitlines()[1:]]
    assert len(found) == 2
    assert {int(word) for line in found for word in line.split(": ")[1].split("-")} <= {16, 32}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("mcuu: stm32f412", r"run.yaml:2:1: there is no option `mcuu`"),
        ("epochs: 0", "run.yaml:2:9: `epochs`: Input should be greater than or equal to 1"),
        ("samples: many", "run.yaml:2:10: `samples`: Input should be a valid integer"),
        ("seed: 1.5", "run.yaml:2:7: `seed`"),
        ("deploy: 1", "run.yaml:2:9: `deploy`: it is true or false"),
        ("recipe: true", "run.yaml:2:9: `recipe`: put it in quotes"),
        ("recipe: [ebs]", "run.yaml:2:9: `recipe`: it is one value"),
        ("train: [{a: 1}]", "run.yaml:2:8: `train`: it is one value"),
        ("data:", "run.yaml:2:1: `data` has no value"),
        ("space: dscnn", "run.yaml:2:1: the key `space` is given twice"),
        ("file: run.yaml", "there is no option `file`"),
        ("json: true", "there is no option `json`"),
        ("\tseed: 1", "run.yaml:2:1: a tab"),
    ],
)
def test_mistakes_have_their_line(run: Run, line: str, message: str) -> None:
    Path("run.yaml").write_text(f"space: mlp2\n{line}\n")
    done = run("search", "--file", "run.yaml")
    assert done.code == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_all_mistakes_at_once_and_what_was_meant(run: Run) -> None:
    Path("run.yaml").write_text("space: mlp2\nepoch: 3\nsample: 4\n")
    done = run("search", "--file", "run.yaml")
    assert done.stderr.count("[unknown-key]") == 2
    assert "did you mean `epochs`" in done.stderr


def test_files_that_are_none(run: Run) -> None:
    assert "cannot read the run file: No such file" in run("search", "--file", "no.yaml").stderr
    Path("list.yaml").write_text("- a\n")
    assert "a run file is a list of options" in run("search", "--file", "list.yaml").stderr
    Path("bytes.yaml").write_bytes(b"\xff\xfe\x00")
    assert "it is no text" in run("search", "--file", "bytes.yaml").stderr
    Path("empty.yaml").write_text(run("search", "--init").stdout)
    done = run("search", "--file", "empty.yaml")
    assert done.code == 2
    assert "`space` has no value" in done.stderr


def test_the_file_is_no_output(run: Run) -> None:
    Path("run.yaml").write_text("space: mlp2\n")
    done = run("search", "--file", "run.yaml", *PARETO, "--log", "run.yaml")
    assert done.code == 2
    assert Path("run.yaml").read_text() == "space: mlp2\n"


@pytest.mark.parametrize(
    "value",
    ["on", "null", "~", "1", "1e5", "-1", "0x1f", "a: b", "# x", "a #b", "", " a", "é", '"', "[4, 5]", "a\nb", "1_0",
     "12:30", "2026-01-01", "*a", "&a", "!x", "%a", "@a", "`a", "{a}", "x.y=[1]", "yes", "C:\\data", "- a", "?", "a,b"],
)  # fmt: skip
def test_every_text_comes_back(value: str) -> None:
    assert read_yaml(f"a: {yaml_value(value)}\n", "x").data == {"a": value}
    assert read_yaml(f"a: {yaml_value([value, 'b'])}\n", "x").data == {"a": [value, "b"]}
