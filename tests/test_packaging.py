"""The wheel holds the four packages and their data, and works from any folder."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.system_tools import needs

ROOT = Path(__file__).parents[1]
needs_git = needs("git")


def tracked() -> list[str]:
    """The files that git has of us."""
    if not (ROOT / ".git").exists():
        pytest.skip("the files are those of git: needs a clone")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in filter(None, listed.split("\0")) if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # Built from a copy, so that no build folder is left in the tree.
    for name in tracked():
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*command, str(folder / "source")], check=True, capture_output=True)
    return next(folder.glob("nascompile-*.whl"))


@needs_git
def test_the_wheel_has_exactly_the_four_packages(wheel: Path) -> None:
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert {Path(n).suffix for n in names if "/deploy/c/" not in n} == {
        ".py",
        ".yaml",
        ".typed",
        ".npy",
        ".json",
        ".css",
        ".js",
    }
    assert names == {n for n in tracked() if n.split("/")[0] in ("nascompile", "samplers", "solvers", "spaces")}


@needs_git
def test_it_works_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)], check=True
    )
    # Without `site`, the editable install's path stays out; the environment's own packages are added back.
    packages = [p for p in sys.path if p.endswith("site-packages")]
    code = (
        f"import sys; sys.path[:0] = {[str(site), *packages]!r}\n"
        "import nascompile as nc, spaces\n"
        f"assert spaces.__file__.startswith({str(site)!r})\n"
        "print(len(nc.reduce('spaces/dscnn.yaml', mcu='stm32f412')), len(nc.reduce('mlp2', rom=13_600)))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["168509", "14"], done.stderr


HEAVY = ("torch", "ortools", "sklearn", "pandas", "optuna")


@pytest.mark.parametrize(
    "code",
    [
        "import nascompile",
        "import solvers, solvers.diagram, solvers.sets.metrics, solvers.sets.set_file",
        "import samplers",
        "import nascompile.cli",
        "import nascompile.data",
        "import nascompile as nc; nc.reduce('dscnn', mcu='stm32f412')",
    ],
)
def test_heavy_imports_stay_lazy(code: str) -> None:
    check = f"import sys; {code}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
