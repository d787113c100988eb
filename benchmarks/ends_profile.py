"""Measure what features, normalisation and answers take beside a network, for the predictions of `nascompile deploy`.

    python benchmarks/ends_profile.py                  # needs the compilers and emulators of both; some minutes

To be run whenever `nascompile/deploy/ends_source.py` or a file in `nascompile/deploy/c/raw` changes;
`tests/deploy/test_ends.py` compares.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from nascompile.deploy.core import CORES
from nascompile.deploy.ends_costs import FILE, costs_text
from nascompile.deploy.ends_measured import measured_ends
from nascompile.deploy.measure import FLAGS, compiler_version
from spaces.runtimes.base import RuntimeProfileError
from spaces.runtimes.nascompile_c import NascompileC
from spaces.targets.target import Target

__all__ = ["main"]


def main() -> None:
    measured = []
    for core, dtype in priced():
        with tempfile.TemporaryDirectory() as folder:
            measured.append(measured_ends(core, dtype, Path(folder)))
        print(measured[-1], flush=True)
    compilers = dict.fromkeys(compiler_version(CORES[one.core]) for one in measured)
    FILE.write_text(costs_text(measured, f"{'; '.join(compilers)}, {' '.join(FLAGS)}"))


def priced() -> list[tuple[str, str]]:
    """The cores and data types on which networks are measured; so are their ends."""
    found = [(core, dtype) for core in CORES for dtype in ("int8", "float32")]
    return [(core, dtype) for core, dtype in found if _is_priced(core, dtype)]


def _is_priced(core: str, dtype: str) -> bool:
    try:
        NascompileC.find(Target("", "", core, 0, ()), dtype)
    except RuntimeProfileError:
        return False
    return True


if __name__ == "__main__":
    main()
