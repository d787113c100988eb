"""`nascompile report`: the page of a set counts what the library counts, in a real browser; the page of a run."""

from __future__ import annotations

import html
import json
import random
import re
import subprocess
from pathlib import Path

import pytest

import nascompile as nc
from nascompile.cli.page import budgets
from nascompile.cli.page.figures import Drawing, bars
from solvers.sets.relaxed_set import exactly
from tests.cli.conftest import Run
from tests.run.examples import SPACE, data_file
from tests.system_tools import needs, program

SPACE_FILE = """\
space: page
input: {channels: 1, height: 12, width: 12}
choices:
  M: [4, 8, 12, 16]
  K: [1, 3]
network:
  - conv: {filters: M, kernel: K}
  - ds_conv: {filters: M, stride: 2}
    repeat: [1, 2, 3]
  - global_avg_pool
  - linear: {units: 3}
"""


def browse(page: Path, fragment: str = "") -> tuple[str, str]:
    """The document after its script has run, and what the browser said of it."""
    browser = program("chromium")
    assert browser
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--virtual-time-budget=10000", "--enable-logging=stderr", "--dump-dom", f"{page.as_uri()}{fragment}"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    said = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return done.stdout, said


def shown(document: str) -> tuple[int, dict[str, list[str]]]:
    """The count of a page, and the options that are not struck out."""
    assert 'data-ready="yes"' in document
    found = re.search(r'id="count"[^>]*>([\d,]+) networks fit<', document)
    assert found
    ranges = document[document.index('id="ranges"') : document.index('id="member-box"')]
    rows = re.findall(r"<b>([^<]+)</b>(.*?)</div>", ranges, re.DOTALL)
    return int(found[1].replace(",", "")), {
        html.unescape(label): re.findall(r"<span>([^<]+)</span>", row) for label, row in rows
    }


@needs("chromium")
@pytest.mark.parametrize("in_page", [40_000, 10], ids=["counts by itself", "steps over a table"])
def test_sliders_count_as_the_library_does(in_page: int, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "_IN_PAGE", in_page)
    (run.folder / "page.yaml").write_text(SPACE_FILE)
    done = run("report", "page.yaml", "--rom", "9000", "--ram", "6KiB", "-o", "p.html", "--json")
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)["counts"]
    page = run.folder / "p.html"
    assert page.stat().st_size < 3_000_000
    assert not re.search(r'(src|href)="?(https?:)?//', page.read_text())

    fs = exactly(nc.reduce(run.folder / "page.yaml", rom=9000, ram=6144), "members")
    members, source = list(fs), random.Random(0)
    for _ in range(2):
        limits = {name: source.choice(members).costs[name] for name in ("ram", "rom", "macs")}
        document, said = browse(page, "#" + "&".join(f"{name}={value}" for name, value in limits.items()))
        assert not said
        count, used = shown(document)
        # A table has the next lower limit that was counted, and says which.
        taken = [int(text.replace(",", "")) for text in re.findall(r'aria-valuetext="([\d,]+)', document)]
        assert all(a <= b for a, b in zip(taken, limits.values(), strict=True))
        assert in_page == 10 or taken == list(limits.values())
        limits = dict(zip(limits, taken, strict=True))
        within = [one for one in members if all(one.costs[name] <= limit for name, limit in limits.items())]
        assert count == len(within)
        for label, options in used.items():
            assert options == [o for o in ("1", "3", "4", "8", "12", "16")
                               if any(str(one.values.get(label)) == o for one in within)]  # fmt: skip


def test_sets_that_cannot_be_counted_in_a_page(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (run.folder / "page.yaml").write_text(SPACE_FILE)
    assert run("report", "page.yaml", "--rom", "10").code == 0
    empty = (run.folder / "report.html").read_text()
    assert "The set is empty" in empty
    assert 'id="data"' not in empty
    monkeypatch.setattr(budgets, "_IN_PAGE", 3)
    monkeypatch.setattr(budgets, "_PAIRS", 3)
    assert run("report", "page.yaml", "--rom", "9000").code == 0
    assert "too many different costs" in (run.folder / "report.html").read_text()


def test_the_page_of_a_run(run: Run) -> None:
    (run.folder / "nine.yaml").write_text(SPACE)
    data_file(run.folder)
    search = ("search", "nine.yaml", "--data", "halves.npz", "--samples", "3", "--epochs", "2", "--quantise", "ptq",
              "--jobs", "1", "--out", "r")  # fmt: skip
    done = run(*search)
    assert "as a page: nascompile report r\n" in done.stdout
    assert run("report", "r", "--where", "M=4").code == 2
    assert run("report", "r", "--figures", "figures").code == 0
    page = (run.folder / "r/report.html").read_text()
    results = json.loads((run.folder / "r/results.json").read_text())
    kept = [row["number"] for row in results["networks"] if row["chosen"]]
    for row in results["networks"]:
        assert row["candidate"] in page
    assert {"front-rom.svg", "curves-float.svg", "macs.svg", f"arena-{kept[0]}.svg"} <= {
        file.name for file in (run.folder / "figures").iterdir()
    }
    assert "nascompile deploy" in page
    assert page.count("<section") == page.count("</section>") == 9
    if program("chromium"):
        document, said = browse(run.folder / "r/report.html")
        assert not said
        assert shown(document)[0] == 9
    (run.folder / "r/results.json").unlink()
    assert "`nascompile resume r` ends it" in run("report", "r").stderr


def test_figures_are_the_same_bytes_and_escape_their_captions() -> None:
    one: Drawing = bars("limits", 'a "caption" <b>', [("all", 2**80)])
    assert one.svg == bars("limits", 'a "caption" <b>', [("all", 2**80)]).svg
    assert 'aria-label="a &quot;caption&quot; &lt;b&gt;"' in one.svg
