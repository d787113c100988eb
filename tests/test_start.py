"""The start: what is loaded for it, Ctrl-C while it lasts, and other modules that bear the names of ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer

from nascompile.cli.app import COMMANDS, app, load

ROOT = Path(__file__).parents[1]
FLOORS = ("nascompile", "samplers", "solvers", "spaces")
REDUCE = ("reduce", "spaces/dscnn.yaml", "--mcu", "stm32f412", "--no-save")
#: The console script as pip writes it.
SCRIPT = "import sys\nfrom nascompile.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n"


def python(folder: Path, *arguments: str | Path, path: Sequence[Path] = (ROOT,)) -> subprocess.CompletedProcess[str]:
    """Python in a folder, with others on its path: the repository's, or whatever else has our packages."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True)


def started(
    folder: Path, how: str, *arguments: str, path: Sequence[Path] = (ROOT,)
) -> subprocess.CompletedProcess[str]:
    """The command line as `python -m nascompile`, or as the console script."""
    if how == "module":
        return python(folder, "-m", "nascompile", *arguments, path=path)
    script = folder / "bin" / "nascompile"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    return python(folder, script, *arguments, path=path)


def loaded(code: str) -> set[str]:
    done = python(ROOT, "-c", f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)")
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def run(*arguments: str) -> str:
    return f"from nascompile.cli import main\nsys.argv[1:] = {arguments}\ntry: main()\nexcept SystemExit: pass"


# -- what is loaded


def test_faces_load_nothing_behind_them() -> None:
    found = {m for m in loaded("import samplers, solvers, spaces, nascompile") if m.split(".")[0] in FLOORS}
    assert found == {*FLOORS, "spaces.lazy", "nascompile.start"}


@pytest.mark.parametrize("arguments", [("--help",), ("--version",)])
def test_help_loads_no_command(arguments: tuple[str, ...]) -> None:
    found = loaded(run(*arguments))
    assert not found & {"numpy", "pydantic", "ruamel.yaml", "networkx", "rich", "rich.console", "torch", "ortools"}
    assert {m for m in found if m.split(".")[0] in FLOORS} == {
        *FLOORS[::3], "nascompile.cli", "nascompile.cli.app", "nascompile.cli.outputs", "nascompile.start",
        "spaces.errors", "spaces.files", "spaces.lazy", "spaces.locks",
    }  # fmt: skip


def test_a_reduction_loads_what_it_uses() -> None:
    found = loaded(run(*REDUCE))
    assert "solvers.diagram" in found
    assert not found & {"networkx", "numpy.random", "numpy.ma", "scipy", "sklearn", "matplotlib", "torch", "ortools"}
    assert not {m for m in found if m.split(".")[0] == "samplers"}
    assert not found & {
        "nascompile.cli.cells", "nascompile.cli.search", "nascompile.run", "spaces.costs.latency",
        "spaces.costs.latency_file", "spaces.language.cell", "spaces.language.numbering", "spaces.program.breakdown",
        "spaces.program.duplicates", "spaces.program.isomorphism", "spaces.program.network_keys",
    }  # fmt: skip


def test_the_lines_of_help_are_the_commands_own() -> None:
    assert {name: load(name).get_short_help_str(10_000) for name in COMMANDS} == {
        name: line for name, (_, line) in COMMANDS.items()
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_show_their_help_in_one_style(name: str, tmp_path: Path) -> None:
    """A command is converted by itself: what the whole application is set to must hold for it, too."""
    command = load(name)
    assert command.rich_markup_mode is None
    assert "--install-completion" not in [option for p in command.params for option in p.opts]
    assert isinstance(app, typer.Typer)


# -- Ctrl-C

#: Sends this process a real SIGINT when a module is first looked for.
INTERRUPT = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("how", ["module", "script"])
@pytest.mark.parametrize(
    "module",
    [
        "spaces.lazy", "nascompile.cli", "nascompile.cli.app", "typer", "spaces.errors", "nascompile.cli.reduce",
        "numpy", "rich.console", "solvers.diagram", "ruamel.yaml", "pydantic.main",
    ],
)  # fmt: skip
def test_ctrl_c_while_it_loads(module: str, how: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPT.format(module=module))
    done = started(tmp_path, how, *REDUCE, path=(tmp_path, ROOT))
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "interrupted; nothing was written\n"


def test_only_the_command_minds_ctrl_c(tmp_path: Path) -> None:
    """Whoever imports the package keeps Python's own handler."""
    code = "import nascompile, signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    assert python(tmp_path, "-c", code).stdout == "True\n"


# -- other modules of our names

LOUD = "raise RuntimeError('this is not to be run')\n"


def sentence(file: Path, name: str) -> str:
    way = "rename it, uninstall what it came with, or start elsewhere: its place comes first in `sys.path`"
    return f"{file} hides nascompile's own package `{name}`: {way}\n"


@pytest.mark.parametrize("how", ["module", "script"])
@pytest.mark.parametrize("name", ["spaces", "solvers", "samplers"])
@pytest.mark.parametrize("file", ["{}.py", "{}/__init__.py"])
def test_a_module_hides_ours(file: str, name: str, how: str, tmp_path: Path) -> None:
    theirs = tmp_path / file.format(name)
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text(LOUD)
    done = started(tmp_path, how, "--help", path=(tmp_path, ROOT))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {sentence(theirs, name)}")


def test_a_module_beside_a_script(tmp_path: Path) -> None:
    (tmp_path / "spaces.py").write_text(LOUD)
    (tmp_path / "mine.py").write_text("import nascompile as nc\nprint(nc.reduce('mlp2', rom=13_600))\n")
    done = python(tmp_path, "mine.py")
    assert done.returncode == 1
    assert done.stderr.splitlines(keepends=True)[-1] == f"ImportError: {sentence(tmp_path / 'spaces.py', 'spaces')}"


def test_another_package_that_is_loaded_already(tmp_path: Path) -> None:
    """As Hugging Face's `spaces` in another folder of packages."""
    (tmp_path / "site" / "spaces").mkdir(parents=True)
    (tmp_path / "site" / "spaces" / "__init__.py").write_text("def GPU(function): return function\n")
    done = python(tmp_path, "-c", "import spaces, nascompile", path=(tmp_path / "site", ROOT))
    assert done.stderr.endswith("ImportError: " + sentence(tmp_path / "site" / "spaces" / "__init__.py", "spaces"))


@pytest.mark.parametrize("how", ["module", "script"])
@pytest.mark.parametrize("then", ["other", "gone"])
def test_another_package_in_our_place(then: str, how: str, tmp_path: Path) -> None:
    """Hugging Face's `spaces` installed after ours replaces its `__init__.py`, and takes it along when it goes."""
    site = tmp_path / "site"
    for floor in FLOORS:
        shutil.copytree(ROOT / floor, site / floor, ignore=shutil.ignore_patterns("__pycache__"))
    ours = site / "spaces" / "__init__.py"
    if then == "other":
        ours.write_text(LOUD)
    else:
        ours.unlink()
    done = started(tmp_path, how, "--help", path=(site,))
    way = "uninstall that one, then install nascompile anew"
    assert (done.returncode, done.stderr) == (
        2,
        f"error: {ours} is gone, or of another package called `spaces`, such as Hugging Face's: {way}\n",
    )


def test_a_folder_of_space_files_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "spaces").mkdir()
    (tmp_path / "spaces" / "mine.yaml").touch()
    assert started(tmp_path, "module", "--version").stdout.startswith("nascompile ")
