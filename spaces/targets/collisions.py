"""Names, boards and part numbers to which two targets of a catalogue answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import NamedTuple

from spaces.errors import Diagnostic, Span
from spaces.targets.target import Target, part_pattern, plain_name

__all__ = ["collisions"]


class _Word(NamedTuple):
    plain: str
    word: str
    is_part: bool
    target: Target
    span: Span

    @property
    def head(self) -> str:
        """Up to the first `?`, which stands for any one character."""
        return self.plain.partition("?")[0]

    def meets(self, other: _Word) -> bool:
        """Whether something means both."""
        if self.is_part and other.is_part:
            return all(x == y or "?" in (x, y) for x, y in zip(self.plain, other.plain, strict=False))
        part, name = (self, other) if self.is_part else (other, self)
        return part.plain == name.plain or (part.is_part and bool(part_pattern(part.word).fullmatch(name.plain)))


def collisions(entries: Iterable[tuple[Target, Span]]) -> list[Diagnostic]:
    """A diagnostic for each two targets of which a name, a board or a part number means both.

    Args:
        entries: targets with their places.

    Example:
        >>> from spaces.targets.target import Region
        >>> flash = (Region("flash", "flash", 1024, False),)
        >>> a, b = Target("f4", "F4", "M4", 1, flash, ("F4?2",)), Target("x", "X", "M4", 1, flash, ("F412",))
        >>> print(collisions([(a, Span("a.yaml", 1, 9)), (b, Span("b.yaml", 1, 9))])[0].render())
        b.yaml:1:9: `F412` of `x` is also `F4?2` of `f4` at a.yaml:1:9 [ambiguous-target]
          a name, a board or a part number belongs to one target
    """
    words = sorted((word for entry in entries for word in _words(*entry)), key=lambda word: word.head)
    result: dict[tuple[str, int, Span], Diagnostic] = {}
    for i, one in enumerate(words):
        # Of two words that can mean the same, one head begins the other, which then follows it in this order.
        for other in takewhile(lambda word, head=one.head: word.head.startswith(head), words[i + 1 :]):
            if one.span != other.span and one.meets(other):
                a, b = sorted((one, other), key=lambda word: (word.span.file, word.span.line))
                message = f"`{b.word}` of `{b.target.name}` is also `{a.word}` of `{a.target.name}` at {a.span}"
                hint = "a name, a board or a part number belongs to one target"
                key = (b.span.file, b.span.line, a.span)
                result.setdefault(key, Diagnostic("ambiguous-target", message, b.span, hint))
    return [result[key] for key in sorted(result, key=lambda key: key[:2])]


def _words(target: Target, span: Span) -> Iterator[_Word]:
    for word in (target.name, *target.boards, *target.parts):
        yield _Word(plain_name(word), word, word in target.parts, target, span)
