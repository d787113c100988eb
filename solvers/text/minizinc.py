"""Write a chain as a readable MiniZinc model, for any solver that reads MiniZinc, or for a reader.

Normal form: a variable per decision, which holds the option itself where that is a whole number, and its position from
1 otherwise; a state variable between stages; a `table` constraint per stage over (state, option, next state, costs);
then the limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.errors import EngineError, ExpressionError
from spaces.language.expressions import COMPARISONS, Binary, Expr, FunctionCall, Literal, Name, Unary
from spaces.language.layer import option_label
from spaces.program.constraints import Relation, labels
from spaces.program.graph import ADDITIVE_METRICS, RAM_PARTS, Chain, Limit, Program, Stage
from spaces.program.variants import Decision

__all__ = ["minizinc_text"]

_MAX_TABLE = 2_000
_WORDS = {"and": "/\\", "or": "\\/", "==": "="}

#: Sums beyond 32 bits, which many solvers lack, are written as two digits of this base.
_DIGIT = 2**20

_FLOOR = """\
% Python's floor division and remainder, which round down; `div` and `mod` round towards 0.
function var int: floor_mod(var int: a, var int: b) = (a mod b + b) mod b;
function var int: floor_div(var int: a, var int: b) = (a - floor_mod(a, b)) div b;
"""


def minizinc_text(program: Program, variant: int) -> str:
    """A variant as a MiniZinc model whose solutions print as candidates' lines.

    Sizes are in bytes and counts as they are; solvers with 32-bit integers (Gecode) refuse models above 2^31.

    Raises:
        EngineError: no network of the variant can exist, or a constraint that MiniZinc's integers cannot express.

    Example:
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> from spaces.language.reader import load_space
        >>> text = minizinc_text(compile_space(load_space("mlp2"), Budgets(rom=13_600)), 0)
        >>> print("\\n".join(line for line in text.splitlines() if line.startswith("var") or "<=" in line))
        var {16, 32, 48, 64, 80, 96, 112, 128}: 'M[1]';
        var 0..7: 'state 2';
        var 1152..9216: 'rom 1';
        var {16, 32, 48, 64, 80, 96, 112, 128}: 'M[2]';
        var 1792..71680: 'rom 2';
        constraint 'rom 1' + 'rom 2' <= 13600;
    """
    chain = program.chains[variant]
    if chain.impossible:
        message = f"variant `{chain.variant.label}` has no model: {chain.impossible}"
        raise EngineError.of("impossible-variant", message, "take another variant")
    name = f"{program.space.name}/{chain.variant.label}".rstrip("/")
    return "\n".join(_Writer(chain, program.ram_model).lines(name)) + "\n"


def _state(t: int) -> str:
    """The variable of the state before a stage; a space in a name keeps it apart from every decision."""
    return f"'state {t + 1}'"


def _holds_itself(decision: Decision) -> bool:
    return all(isinstance(v, int) and not isinstance(v, bool) for v in decision.options)


def _code(decision: Decision, position: int) -> int:
    """What the variable of a decision holds for an option: the option, or its position from 1."""
    return decision.options[position] if _holds_itself(decision) else position + 1


class _Writer:
    """Writes one chain."""

    def __init__(self, chain: Chain, ram_model: str) -> None:
        self.chain = chain
        self.parts = RAM_PARTS[ram_model]
        self.decisions = {d.label: d for d in chain.variant.decisions}
        names = {n for r in chain.residual for n in labels(r.tree)}
        self.ram = self.chain.ram_limit is not None or "ram" in names
        self.columns = self._columns(names)

    def _columns(self, names: set[str]) -> dict[str, list[NDArray[np.int64]]]:
        """The columns that some limit needs, per stage."""
        stages = self.chain.stages
        metrics = [m for m in ADDITIVE_METRICS if m in names or any(c.metric == m for c in self.chain.limits)]
        columns = {m: [stage.costs[m] for stage in stages] for m in metrics}
        for k, limit in enumerate(self.chain.limits):
            if not limit.metric and _wide(limit):
                columns[f"limit{k} high"] = [column // _DIGIT for column in limit.columns]
                columns[f"limit{k} low"] = [column % _DIGIT for column in limit.columns]
            elif not limit.metric:
                columns[f"limit{k}"] = list(limit.columns)
        for part in self.parts if self.ram else ():
            columns[part] = [stage.column(part) for stage in stages]
        return columns

    def lines(self, name: str) -> Iterator[str]:
        yield f"% {name}: a variable per decision, a state between stages, a table per stage."
        yield 'include "table.mzn";'
        if self.chain.residual:
            yield _FLOOR
        for t, stage in enumerate(self.chain.stages):
            yield from self.stage(t, stage)
        yield "\n% Limits"
        yield from self.limits()
        yield from self.ram_limits()
        for relation in self.chain.residual:
            yield f"constraint {self.relation(relation)}; % {relation.expression}"
        order = ", ".join(f"'{label}'" for label in self.decisions)
        search = f":: int_search([{order}], input_order, indomain_min, complete) " if order else ""
        yield f"\nsolve {search}satisfy;"
        yield f"output [{self.output(name)}];"

    def output(self, name: str) -> str:
        shown = [
            f"show('{d.label}')" if _holds_itself(d) else f"'{d.label} options'[fix('{d.label}')]"
            for d in self.decisions.values()
        ]
        return f'"{name}: ", ' + ', "-", '.join(shown) + ', "\\n"' if shown else f'"{name}: \\n"'

    # -- stages ------------------------------------------------------------------------------------------------------

    def stage(self, t: int, stage: Stage) -> Iterator[str]:
        states, choices = np.nonzero(stage.next >= 0)
        stages, label = self.chain.stages, stage.decision.label
        held = {f"'{label}'": np.array([_code(stage.decision, x) for x in choices.tolist()])}
        if len(stage.next) > 1:
            held = {_state(t): states} | held
        if t + 1 < len(stages) and len(stages[t + 1].next) > 1:
            held[_state(t + 1)] = stage.next[states, choices]
        for name, columns in self.columns.items():
            if columns[t].any():
                held[f"'{name} {t + 1}'"] = columns[t][states, choices]
        held |= {f"'{name}'": column[states, choices] for name, column in stage.derived.items()}
        yield f"\n% Stage {t + 1}: {label}"
        yield from _declarations(stage.decision, held, known=_state(t))
        yield f"constraint table([{', '.join(held)}], {_rows(np.stack(list(held.values()), axis=1).tolist())});"

    def limits(self) -> Iterator[str]:
        for k, limit in enumerate(self.chain.limits):
            if limit.metric:
                comment = "" if limit.name == limit.metric else f" % {limit.name}"
                yield f"constraint {self.total(limit.metric)} <= {limit.budget};{comment}"
            elif _wide(limit):
                # As for numbers of two digits: what the low ones exceed the bound by is carried, rounded up.
                high, low = (" + ".join(self.terms(f"limit{k} {digit}")) or "0" for digit in ("high", "low"))
                carried = f"({low} + {_DIGIT - 1 - limit.bound % _DIGIT}) div {_DIGIT}"
                yield f"constraint {high} + {carried} <= {limit.bound // _DIGIT}; % {limit.name}"
            else:
                yield f"constraint {' + '.join(self.terms(f'limit{k}')) or 0} <= {limit.bound}; % {limit.name}"

    def terms(self, name: str, base: int = 0) -> list[str]:
        """What a column contributes at each stage, and before the first."""
        terms = [f"'{name} {t + 1}'" for t, column in enumerate(self.columns[name]) if column.any()]
        return [str(base), *terms] if base else terms

    def total(self, metric: str) -> str:
        return " + ".join(self.terms(metric, self.chain.base[metric])) or "0"

    def ram_limits(self) -> Iterator[str]:
        for part in self.parts if self.ram else ():
            terms = self.terms(part, self.chain.base[part]) or ["0"]
            yield f"var int: 'largest {part}' = max([{', '.join(terms)}]);"
        if self.chain.ram_limit is not None:
            yield f"constraint {self.ram_total} <= {self.chain.ram_limit};"

    @property
    def ram_total(self) -> str:
        return " + ".join(f"'largest {part}'" for part in self.parts)

    # -- residual constraints ----------------------------------------------------------------------------------------

    def relation(self, relation: Relation) -> str:
        """A residual constraint: a table where it concerns few combinations of options, else an expression."""
        names = sorted(labels(relation.tree))
        if all(n in self.decisions for n in names):
            decisions = [self.decisions[n] for n in names]
            if prod(len(d.options) for d in decisions) <= _MAX_TABLE:
                rows = [
                    [_code(d, x) for d, x in zip(decisions, row, strict=True)]
                    for row in product(*(range(len(d.options)) for d in decisions))
                    if _holds(relation, {d.label: d.options[x] for d, x in zip(decisions, row, strict=True)})
                ]
                quoted = ", ".join(f"'{n}'" for n in names)
                return f"table([{quoted}], {_rows(rows)})" if rows else "false"
        return self.text(relation.tree, relation)

    def text(self, tree: Expr, relation: Relation) -> str:
        def sub(part: Expr) -> str:
            return self.text(part, relation)

        def truth(part: Expr) -> str:
            return sub(part) if _is_truth(part) else f"({sub(part)} != 0)"

        match tree:
            case Literal(int() as value):
                return f"({value})" if value < 0 else str(value)
            case Name(name):
                return self.name(name, relation)
            case Unary("-", operand):
                return f"(-{sub(operand)})"
            case Unary(_, operand):
                return f"(not {truth(operand)})"
            case Binary("and" | "or" as op, left, right):
                return f"({truth(left)} {_WORDS[op]} {truth(right)})"
            case Binary("//" | "%" as op, left, right):
                return f"{'floor_div' if op == '//' else 'floor_mod'}({sub(left)}, {sub(right)})"
            case Binary(op, left, right) if op != "/":
                return f"({sub(left)} {_WORDS.get(op, op)} {sub(right)})"
            case FunctionCall("abs", (value,)):
                return f"abs({sub(value)})"
            case FunctionCall("sum" | "min" | "max" as function, arguments):
                return f"{function}([{', '.join(map(sub, arguments))}])"
            case _:
                raise _not_whole(relation)

    def name(self, name: str, relation: Relation) -> str:
        if name in ADDITIVE_METRICS:
            return f"({self.total(name)})"
        if name == "ram":
            return f"({self.ram_total})"
        if name in self.decisions and not _holds_itself(self.decisions[name]):
            raise _not_whole(relation)
        return str(self.chain.base[name]) if name in self.chain.base else f"'{name}'"


def _wide(limit: Limit) -> bool:
    """Whether its sums, or its bound, are beyond 32 bits."""
    most = sum(int(np.abs(column).max(initial=0)) for column in limit.columns)
    return max(most, abs(limit.bound)) >= 2**31


def _is_truth(tree: Expr) -> bool:
    return isinstance(tree, Binary | Unary) and (tree.op in COMPARISONS or tree.op in ("and", "or", "not"))


def _declarations(decision: Decision, held: Mapping[str, NDArray[Any]], known: str) -> Iterator[str]:
    if not _holds_itself(decision):
        shown = ", ".join(f'"{option_label(v)}"' for v in decision.options)
        yield f"array[1..{len(decision.options)}] of string: '{decision.label} options' = [{shown}];"
    for name, values in held.items():
        if name == f"'{decision.label}'":
            yield f"var {{{', '.join(map(str, np.unique(values).tolist()))}}}: {name};"
        elif name != known:
            yield f"var {values.min()}..{values.max()}: {name};"


def _rows(rows: Sequence[Iterable[Any]]) -> str:
    return "[|\n   " + "\n | ".join(", ".join(map(str, row)) for row in rows) + " |]"


def _holds(relation: Relation, names: Mapping[str, Any]) -> bool:
    """Whether a condition is true; where it divides by zero there is no network, or the engines say so."""
    try:
        return relation.holds(names)
    except ExpressionError as error:
        if error.diagnostics[0].code != "division-by-zero":
            raise
        return False


def _not_whole(relation: Relation) -> EngineError:
    expression = relation.expression
    message = f"`{expression}` is not written with whole numbers, so it has no MiniZinc text"
    hint = "multiply fractions away, or look at the CP-SAT model instead"
    return EngineError.of("not-whole", message, hint, expression.span)
