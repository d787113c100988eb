"""What the build systems of firmwares want to know of a library: one small file for each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files

from nascompile.deploy.naming import Naming

__all__ = ["packaging"]

#: That of every library: what it is a version of nobody knows but its user.
_VERSION = "1.0.0"
_TEXTS = ("CMakeLists.txt", "zephyr/CMakeLists.txt", "zephyr/module.yml", "library.properties")


def packaging(naming: Naming, what: str, sources: Iterable[str]) -> dict[str, str]:
    """The files for CMake, Zephyr, Arduino, PlatformIO and CMSIS packs, by their paths.

    Args:
        naming: of the library.
        what: it is, in one line.
        sources: paths of its files in C.

    Example:
        >>> made = packaging(Naming("kws"), "keywords", ["include/kws.h", "src/kws.c"])
        >>> sorted(made)[2:4]
        ['library.properties', 'nascompile.kws.pdsc']
        >>> print(made["zephyr/module.yml"].splitlines()[0])
        name: kws
    """
    here = files("nascompile.deploy") / "c" / "project"
    texts = {path: (here / path).read_text() for path in _TEXTS}
    words = {"@NAME@": naming.name, "@WHAT@": " ".join(what.split()), "@VERSION@": _VERSION}
    for word, text in words.items():
        texts = {path: found.replace(word, text) for path, found in texts.items()}
    return texts | {
        "library.json": _platformio(naming, words["@WHAT@"]),
        f"nascompile.{naming.name}.pdsc": _cmsis_pack(naming, words["@WHAT@"], sources),
    }


def _platformio(naming: Naming, what: str) -> str:
    manifest = {
        "name": naming.name,
        "version": _VERSION,
        "description": what,
        "headers": f"{naming.name}.h",
        "frameworks": "*",
        "platforms": "*",
        "build": {"includeDir": "include", "srcDir": "src"},
    }
    return json.dumps(manifest, indent=2) + "\n"


def _cmsis_pack(naming: Naming, what: str, sources: Iterable[str]) -> str:
    """A description of a pack, as Keil, IAR and the CMSIS toolbox read it."""
    from xml.sax.saxutils import escape

    rows = ['<file category="include" name="include/"/>']
    for path in sorted(sources):
        if path.startswith("include/"):
            rows.append(f'<file category="header" name="{path}"/>')
        elif path.startswith("src/") and path.endswith(".c"):
            rows.append(f'<file category="sourceC" name="{path}"/>')
    told, inner = escape(what), "\n          ".join(rows)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<package schemaVersion="1.7.7" xmlns:xs="http://www.w3.org/2001/XMLSchema-instance"
    xs:noNamespaceSchemaLocation="PACK.xsd">
  <vendor>nascompile</vendor>
  <name>{naming.name}</name>
  <description>{told}</description>
  <url></url>
  <releases>
    <release version="{_VERSION}">{told}</release>
  </releases>
  <components>
    <component Cclass="Machine Learning" Cgroup="Network" Csub="{naming.name}" Cversion="{_VERSION}">
      <description>{told}</description>
      <files>
          {inner}
      </files>
    </component>
  </components>
</package>
"""
