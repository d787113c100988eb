"""Deployment: a trained network becomes C99 without dependencies, and is proven on the host and on an emulated core."""

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    """This package, which is called, too: `nascompile.deploy` is its name and that of the public function."""

    def __call__(self, *given: Any, **named: Any) -> Any:
        """See `nascompile.deploy.own.deploy`."""
        from nascompile.deploy.own import deploy

        return deploy(*given, **named)


sys.modules[__name__].__class__ = _Room
