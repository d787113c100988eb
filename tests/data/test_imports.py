"""What is needed for one format only is loaded when it is needed."""

import subprocess
import sys


def test_heavy_imports_stay_lazy():
    heavy = ("torch", "PIL", "scipy", "sklearn")
    code = f"import sys, nascompile.data, nascompile.data.augment; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
