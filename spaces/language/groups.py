"""Read the items of a network that hold other items: groups, whose depth may be decided, and switches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spaces.errors import did_you_mean
from spaces.language.expressions import Expression
from spaces.language.layer import Choice, LayerSpec, Repeat
from spaces.language.reading import RESERVED, Reading
from spaces.language.source import Path_, is_mapping
from spaces.language.space import Group, Item, Switch

__all__ = ["read_group", "read_switch"]

_GROUP = ("group", "blocks", "repeat", "depth")
_SWITCH = ("switch", "cases")


def read_group(reading: Reading, data: dict[str, Any], path: Path_, repeat: Repeat) -> Group:
    """`- group: name` with its `blocks`."""
    for key in data:
        if key not in _GROUP:
            hint = did_you_mean(key, _GROUP)
            reading.fail("unknown-key", f"unknown key `{key}` in a group", (*path, key), hint, key=True)
    items = reading.items(data.get("blocks"), (*path, "blocks"), grouped=True)
    depth = _depth(reading, data["depth"], (*path, "depth")) if "depth" in data else None
    group = Group(str(data.get("group", "")), items, repeat, reading.source.span(path), depth)
    if depth:
        _check_depth(reading, group, depth, (*path, "depth"))
    return group


def _depth(reading: Reading, data: Any, path: Path_) -> Expression | None:
    """How many blocks of a group there are."""
    if isinstance(data, bool) or not isinstance(data, int | str):
        hint = "for example `depth: 1 + D`, with `D: {options: [0, 1, 2], shared: group}` among the choices"
        reading.fail("wrong-type", "`depth` is a whole number or an expression over choices", path, hint)
        return None
    return reading.expression(str(data), path, grouped=True)


def _check_depth(reading: Reading, group: Group, depth: Expression, path: Path_) -> None:
    """Every decision must matter whatever the depth is: no two candidates may be the same network."""
    for name in sorted(depth.names):
        if name in reading.choices and not reading.choices[name].shared:
            hint = f"add `shared: group` to the choice `{name}`"
            reading.fail("not-shared", f"`depth` depends on `{name}`, which each layer decides anew", path, hint)
    if any(isinstance(item, Switch) for item in group.items):
        reading.fail("bad-depth", "a switch in a group with a `depth`", path, "put the group into the switch")
    always = depth.names.union(*_names(group.items[:1], reading.choices, nested=False))
    for names in _names(group.items, reading.choices, nested=False):
        for name in sorted(names):
            choice = reading.choices.get(name)
            if choice and choice.shared is not True and (not choice.shared or name not in always):
                why = "its first block does not use it" if choice.shared else "each layer decides it anew"
                message = f"`{name}` decides nothing where the block that uses it is absent: {why}"
                hint = f"give `{name}` the key `shared: group`, and use it in the group's first block, too"
                reading.fail("decides-nothing", message, path, hint)
                return
    if any(True for _ in _names(group.items, reading.choices, nested=True)):
        message = "a group with decisions of its own in a group with a `depth`"
        reading.fail("bad-depth", message, path, "share its choices by the whole network")


def _names(items: tuple[Item, ...], choices: Mapping[str, Choice], nested: bool) -> Iterator[frozenset[str]]:
    """The names that the blocks of a group use; or, of the groups within it, those that are decided there."""
    for item in items:
        if isinstance(item, LayerSpec) and not nested:
            yield item.names
        elif isinstance(item, Group) and nested:
            for names in _names(item.items, choices, nested=False):
                if own := frozenset(n for n in names if n in choices and choices[n].shared is not True):
                    yield own


def read_switch(reading: Reading, data: dict[str, Any], path: Path_, grouped: bool) -> Switch | None:
    """`- switch: name` with its `cases`; declares the choice of that name where the file does not."""
    for key in data:
        if key not in _SWITCH:
            hint = did_you_mean(key, _SWITCH)
            reading.fail("unknown-key", f"unknown key `{key}` beside `switch`", (*path, key), hint, key=True)
    name, cases = data.get("switch"), data.get("cases")
    if not isinstance(name, str):
        reading.fail("missing-key", "`cases` without a `switch`", path, "add `switch: architecture`", key=True)
        return None
    if not is_mapping(cases) or not cases:
        hint = "for example `cases: {small: [conv: {filters: 8}], large: [conv: {filters: 32}]}`"
        reading.fail("missing-key", "a switch needs `cases`: a list of blocks for each option", path, hint, key=True)
        return None
    read = {str(case): reading.items(items, (*path, "cases", case), grouped) for case, items in cases.items()}
    return Switch(name, read, reading.source.span(path)) if _declared(reading, name, read, path) else None


def _declared(reading: Reading, name: str, cases: Mapping[str, Any], path: Path_) -> bool:
    """Whether the choice of a switch fits its cases; it is declared where it is not yet."""
    at = (*path, "switch")
    for case in cases:
        if not (case.replace("_", "a").replace(".", "a").isalnum() and case.isascii()):
            hint = "use letters, digits, `_` and `.`"
            reading.fail("bad-option", f"the case `{case}` is not a word", (*path, "cases", case), hint, key=True)
            return False
    if name not in reading.choices:
        if not name.isidentifier() or not name.isascii() or name in (*RESERVED, *reading.header.cells):
            hint = "use letters, digits and `_`, and no name of a cell or a cost"
            reading.fail("bad-name", f"`{name}` cannot name a switch", at, hint)
            return False
        reading.choices[name] = Choice(name, tuple(cases), True, reading.source.span(at))
    choice = reading.choices[name]
    reading.used.add(name)
    if choice.shared is not True:
        reading.fail(
            "not-shared", f"the switch `{name}` is a choice that is not shared", at, "add `shared: true` to it"
        )
        return False
    missing = [str(option) for option in choice.options if option not in cases]
    if missing:
        hint = did_you_mean(missing[0], cases)
        reading.fail(
            "unknown-case", f"the switch `{name}` has no case `{missing[0]}`", (*path, "cases"), hint, key=True
        )
    return not missing
