"""What a library is called, so that several lie in one firmware: a prefix of all that its header says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nascompile.deploy.errors import DeployError

__all__ = ["PLAIN", "PREFIX", "Naming"]

#: That of a library which no one named.
PREFIX = "nc"
_HEADER = "include/network.h"
#: Where a name begins; that of a macro also in `-DNC_...`.
_BEGIN = r"(?:\b|(?<=-D))"
#: Words of C and C++ that one might try.
_TAKEN = re.compile(
    "asm|auto|bool|break|case|catch|char|class|const|continue|default|delete|do|double|else|enum|explicit|extern|false|"
    "float|for|friend|goto|if|inline|int|long|main|mutable|namespace|new|operator|private|protected|public|register|"
    "restrict|return|short|signed|sizeof|static|struct|switch|template|this|throw|true|try|typedef|typeid|typename|"
    "union|unsigned|using|virtual|void|volatile|wchar_t|while"
)


@dataclass(frozen=True)
class Naming:
    """How a library and all that it shows are called.

    Args:
        prefix: of its functions, and in capitals of its macros; also its own name, but for the default `nc`, whose
            library is called `network`.

    Raises:
        DeployError: that is no name in C.

    Example:
        >>> texts = {"include/network.h": "int nc_run(void);", "src/network.c": "int nc_run(void) { nc_conv(); }"}
        >>> for path, text in Naming("kws").applied(texts).items():
        ...     print(path, text)
        include/kws.h int kws_run(void);
        src/kws.c int kws_run(void) { nc_conv(); }
    """

    prefix: str = PREFIX

    def __post_init__(self) -> None:
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,30}", self.prefix) and not _TAKEN.fullmatch(self.prefix):
            return
        message = f"no function of C can begin with `{self.prefix}`"
        hint = "--prefix is a letter and up to 30 more letters, digits and underscores, and no word of C or C++"
        raise DeployError.of("bad-prefix", message, hint)

    @property
    def name(self) -> str:
        """Of the library and of its header."""
        return "network" if self.prefix == PREFIX else self.prefix

    def applied(self, texts: Mapping[str, str]) -> dict[str, str]:
        """The texts of a library under this name.

        Args:
            texts: of `include/network.h` and all other files, by their paths, as they are with the default prefix.

        Returns:
            The same with everything that `network.h` names called after the prefix, and the library's files.
        """
        if self.prefix == PREFIX:
            return dict(texts)
        shown = set(re.findall(rf"{_BEGIN}((?:nc|NC)_\w+)", texts[_HEADER]))
        words = {word: self._own(word) for word in shown} | {f"network.{end}": f"{self.name}.{end}" for end in "ch"}
        pattern = re.compile(rf"{_BEGIN}(?:" + "|".join(map(re.escape, words)) + r")\b")

        def renamed(text: str) -> str:
            return pattern.sub(lambda found: words[found[0]], text)

        return {renamed(path): renamed(text) for path, text in texts.items()}

    def _own(self, word: str) -> str:
        first, rest = word.split("_", 1)
        return f"{self.prefix if first == PREFIX else self.prefix.upper()}_{rest}"


#: Of a library that no one named.
PLAIN = Naming()
