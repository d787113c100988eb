"""`nascompile report`: a set or a run as one page."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nascompile.cli.options import Json, MembersRequest, is_set_file, takes_options
from nascompile.cli.output import emit_json, out, say_next, working
from nascompile.cli.outputs import FILE, FOLDER
from nascompile.cli.page.document import Page
from spaces.errors import NascompileError
from spaces.files import write_atomically

__all__ = ["report"]


@dataclass(frozen=True)
class ReportOptions:
    """Where the page goes."""

    output: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="The page. Default: report.html, in the folder of a run.", metavar="FILE"),
        FILE,
    ] = None
    figures: Annotated[
        Path | None,
        typer.Option("--figures", help="Write every figure as an SVG into this folder, too.", metavar="DIR"),
        FOLDER,
    ] = None
    as_json: Json = False


@takes_options
def report(request: MembersRequest, options: ReportOptions) -> None:
    """Write a set or a run as one page: a file that needs no network, on a phone, on a desk or on paper.

    The page of a set has the set in it: move RAM, ROM and MACs, and it shows how many networks fit, exactly, and what
    is left of every decision. The page of a run has this, its networks, learning curves, errors, and how to go on.

    Examples:

      nascompile report dscnn-stm32f412.nasset -o dscnn.html

      nascompile report dscnn --mcu stm32f412

      nascompile report dscnn-stm32f412-entropy-0

      nascompile report dscnn-stm32f412-entropy-0 --figures figures
    """
    run = Path(request.space)
    if run.is_dir():
        if request.where:
            message = f"--where takes a part of a set, and `{run}` is the folder of a run"
            raise NascompileError.of("bad-option", message, "leave it out")
        page, path = _of_run(run), options.output or run / "report.html"
    else:
        page, path = _of_set(request), options.output or Path("report.html")
    text = page.html().encode()
    write_atomically(path, text)
    if figures := options.figures:
        figures.mkdir(parents=True, exist_ok=True)
        for one in page.drawings:
            write_atomically(figures / f"{one.name}.svg", one.svg.encode())
    if options.as_json:
        names = [one.name for one in page.drawings]
        emit_json({"file": str(path), "bytes": len(text), "figures": names, "counts": bool(page.data)})
        return
    drawn = f"; {len(page.drawings)} figures in {figures}" if figures else ""
    out.print(f"written: {path} ({len(text):,} bytes){drawn}", soft_wrap=True, markup=False)
    say_next("xdg-open", str(path))


def _of_set(request: MembersRequest) -> Page:
    from nascompile.cli.page.of_set import set_page

    fs = request.feasible_set()
    mcu = ["--mcu", request.mcu] if request.mcu else []
    space = "" if is_set_file(request.space) else shlex.join([request.space, *(request.overrides or ()), *mcu])
    with working("writing the page") as progress:
        return set_page(fs, request.target, space, report_step=progress)


def _of_run(path: Path) -> Page:
    from nascompile.cli.page.of_run import run_sections
    from nascompile.cli.page.of_set import set_page
    from nascompile.run.folder import RunFolder
    from nascompile.run.outcome import Outcome
    from spaces.program.candidate import parse_candidate

    folder = RunFolder.open(path)
    outcome = Outcome.read(folder)
    if outcome is None:
        message = f"the run in `{path}` has not ended"
        raise NascompileError.of("not-ended", message, f"`nascompile resume {shlex.quote(str(path))}` ends it")
    program = folder.fs.program
    drawn = [parse_candidate(program, row["candidate"]) for row in outcome.rows]
    with working("writing the page") as progress:
        page = set_page(folder.fs, None, drawn=drawn, report_step=progress)
        page.title = f"{path.name}: {page.title}"
        page.sections = [*run_sections(folder, outcome), *page.sections]
    return page
