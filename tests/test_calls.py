"""Functions that one can call without counting: at most ten parameters, at most five of them given by position."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRODUCT = ("spaces", "solvers", "samplers", "nascompile")
MOST_PARAMETERS, MOST_BY_POSITION = 10, 5
#: Of other libraries: their arguments are a list, and have no names.
LISTS = {"add_row", "print", "transpose"}

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def product() -> dict[str, ast.Module]:
    files = (file for folder in PRODUCT for file in sorted((ROOT / folder).rglob("*.py")))
    return {str(file.relative_to(ROOT)): ast.parse(file.read_text()) for file in files}


def nodes(trees: dict[str, ast.Module]) -> Iterator[tuple[str, ast.AST]]:
    for file, tree in trees.items():
        for node in ast.walk(tree):
            yield f"{file}:{getattr(node, 'lineno', 0)}", node


def parameters(function: Function) -> list[str]:
    """Those that callers give; of a public function the keyword-only ones are no burden."""
    given = function.args
    public = not getattr(function, "name", "_").startswith("_")
    names = [one.arg for one in (*given.posonlyargs, *given.args, *(() if public else given.kwonlyargs))]
    return [name for name in names if name not in ("self", "cls")]


def lists(trees: dict[str, ast.Module]) -> set[str]:
    """Functions of any number of arguments."""
    functions = (node for _, node in nodes(trees) if isinstance(node, Function))
    return LISTS | {getattr(one, "name", "") for one in functions if one.args.vararg}


def called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def crowded_functions(trees: dict[str, ast.Module]) -> list[str]:
    return [
        f"{place} {getattr(node, 'name', 'lambda')}"
        for place, node in nodes(trees)
        if isinstance(node, Function) and len(parameters(node)) > MOST_PARAMETERS
    ]


def crowded_calls(trees: dict[str, ast.Module]) -> list[str]:
    free = lists(trees)
    return [
        f"{place} {called(node)}"
        for place, node in nodes(trees)
        if isinstance(node, ast.Call)
        and len(node.args) > MOST_BY_POSITION
        and called(node) not in free
        and not any(isinstance(one, ast.Starred) for one in node.args)
    ]


def test_no_function_has_more_than_ten_parameters() -> None:
    assert not crowded_functions(product())


def test_no_call_gives_more_than_five_by_position() -> None:
    assert not crowded_calls(product())


def test_what_is_found() -> None:
    ten, eleven = (", ".join(f"p{k}" for k in range(count)) for count in (10, 11))
    text = f"""
def many({eleven}): ...
def enough(self, {ten}): ...
def public(a, *, {eleven}): ...
def _private(a, *, {ten}): ...
def listed(*names): ...
many(1, 2, 3, 4, 5, 6)
many(1, 2, 3, 4, 5, p5=6)
listed(1, 2, 3, 4, 5, 6)
many(1, 2, 3, 4, 5, *rest)
some.many(1, 2, 3, 4, 5, 6, 7)
"""
    trees = {"text": ast.parse(text)}
    assert crowded_functions(trees) == ["text:2 many", "text:5 _private"]
    assert crowded_calls(trees) == ["text:7 many", "text:11 many"]
