"""Lower a residual constraint, any expression of the language, to CP-SAT.

Normal form: a value is a ratio of two whole linear expressions, the lower one at least 1, with known bounds. Floor
division, remainder, rounding, minimum, maximum and absolute value all reduce to four functional constraints: product,
division of whole numbers from 0 up, largest of several, and a comparison with 0 behind a literal that holds exactly
when the comparison does. Whatever depends on few enough combinations of options is tabulated with the language's own
evaluation instead, which covers text, tuples and every function.

`and` and `or` guard their right side: a division there may be by zero where it is not come to. The model divides by 1
instead, and notes the pitfall: the literals under which the division is reached and its divisor is zero. No solution
falls into one; whether some network does is asked of a model of its own, `require_undefined`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import lcm, prod
from typing import TYPE_CHECKING, Any

from solvers.cpsat.arithmetic import Arithmetic, IntegerTerm, constant
from spaces.errors import EngineError, ExpressionError
from spaces.language.expressions import COMPARISONS, Binary, Expr, Expression, FunctionCall, Literal, Name, Unary
from spaces.program.constraints import Relation, labels
from spaces.program.graph import ADDITIVE_METRICS

if TYPE_CHECKING:
    from solvers.cpsat.lowering import Lowering
    from solvers.cpsat.table import Domain

__all__ = ["MAX_TABULATED", "Relations"]

#: A part of a constraint with at most this many combinations of options becomes one table.
MAX_TABULATED = 20_000


@dataclass(frozen=True, eq=False)
class Ratio:
    """over / under, with under at least 1."""

    over: IntegerTerm
    under: IntegerTerm


#: Literals that together mean that a division by zero is reached.
Pitfall = tuple[Any, ...]

_ONE = constant(1)
_MINUS_ONE = Ratio(constant(-1), _ONE)


class Relations:
    """Adds residual constraints to a model under construction."""

    def __init__(self, lowering: Lowering) -> None:
        self.lowering = lowering
        self.arithmetic = Arithmetic(lowering.native)
        #: By tree, its value and the pitfalls in it.
        self.known: dict[Expr, tuple[Ratio, list[Pitfall]]] = {}
        self.pitfalls: list[Pitfall] = []
        self.domains: dict[str, Domain | None] = {}
        self.relation: Relation | None = None

    def require(self, relation: Relation) -> None:
        """Impose a constraint.

        Raises:
            EngineError: an operation, a name or a magnitude that CP-SAT cannot take.
            ExpressionError: a combination of options for which the constraint has no value.
        """
        self.relation, self.pitfalls = relation, []
        with self._magnitudes():
            if self._domains(relation.tree) is not None:
                held = self._held(relation) if relation.partial else self._evaluate(relation.tree)
                self._allow(relation.tree, [key for key, holds in held if holds])
            else:
                self._require(relation.tree)
        for pitfall in self.pitfalls:
            self.arithmetic.native.add_bool_or([literal.negated() for literal in pitfall])

    def _held(self, relation: Relation) -> Iterator[tuple[tuple[int, ...], bool]]:
        return ((key, relation.holds(names)) for key, names in self._combinations(relation.tree))

    def require_undefined(self, relation: Relation) -> None:
        """Impose that evaluating a constraint comes to a division by zero.

        Raises:
            EngineError: see `require`.
        """
        self.relation, self.pitfalls = relation, []
        native = self.arithmetic.native
        with self._magnitudes():
            if self._domains(relation.tree) is not None:
                self._allow(relation.tree, [key for key, value in self._evaluate(relation.tree) if value is None])
                return
            self.truth(relation.tree)
        fallen = [native.new_bool_var("") for _ in self.pitfalls]
        for one, pitfall in zip(fallen, self.pitfalls, strict=True):
            native.add_bool_and(pitfall).only_enforce_if(one)
        native.add_bool_or(fallen)

    @contextmanager
    def _magnitudes(self) -> Generator[None]:
        try:
            yield
        except OverflowError:
            hint = "divide both sides, or use smaller sizes"
            raise self.fail("too-large", "it reaches numbers above 2^60", hint) from None

    def _require(self, tree: Expr) -> None:
        native = self.arithmetic.native
        match tree:
            case Binary("and", left, right):
                self._require(left)
                self._require(right)
            case Binary(op, left, right) if op in COMPARISONS and op != "!=" and self._domains(tree) is None:
                native.add(self.arithmetic.compared(op, self._difference(left, right).over))
            case _:
                native.add_bool_or([self.truth(tree)])

    def fail(self, code: str, message: str, hint: str) -> EngineError:
        """An error that points at the constraint."""
        assert self.relation is not None
        expression = self.relation.expression
        return EngineError.of(code, f"`{expression}`: {message}", hint, expression.span)

    # -- tabulating --------------------------------------------------------------------------------------------------

    def _domains(self, tree: Expr) -> list[tuple[str, Domain]] | None:
        """What each name of a tree can be; None where it has a metric or too many combinations."""
        result: list[tuple[str, Domain]] = []
        for name in sorted(labels(tree)):
            if name not in self.domains:
                self.domains[name] = self.lowering.domain(name)
            domain = self.domains[name]
            if domain is None:
                return None
            result.append((name, domain))
        return result if prod(len(d.codes) for _, d in result) <= MAX_TABULATED else None

    def _evaluate(self, tree: Expr) -> Iterator[tuple[tuple[int, ...], Any]]:
        """The value of a tree for each combination of codes of its names that vary; None where it divides by zero."""
        assert self.relation is not None
        expression = Expression(self.relation.expression.text, tree, self.relation.expression.span)
        for key, names in self._combinations(tree):
            yield key, _value(expression, names)

    def _combinations(self, tree: Expr) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
        """Each combination of codes of a tree's names that vary, with the values of all its names."""
        domains = self._domains(tree) or []
        for pairs in product(*(zip(d.codes, d.values, strict=True) for _, d in domains)):
            names = {name: value for (name, _), (_, value) in zip(domains, pairs, strict=True)}
            key = tuple(code for (_, d), (code, _) in zip(domains, pairs, strict=True) if d.variable is not None)
            yield key, names

    def _allow(self, tree: Expr, rows: list[tuple[int, ...]], *also: Any) -> None:
        """The variables of a tree's names, and `also`, take one of these rows."""
        domains = self._domains(tree) or []
        variables = [d.variable for _, d in domains if d.variable is not None]
        if not rows:
            self.arithmetic.native.add_bool_or([])
        elif variables:
            self.arithmetic.native.add_allowed_assignments([*variables, *also], rows)

    def _tabulated(self, tree: Expr) -> Ratio:
        pairs = list(self._evaluate(tree))
        zero = self._undefined(tree, pairs)
        pairs = [(key, 0 if value is None else value) for key, value in pairs]
        if zero is not None:
            self.pitfalls.append((zero,))
        if any(isinstance(value, str | tuple) for _, value in pairs):
            hint = "compare it with == or !=, or take first(x) or last(x) of a tuple"
            raise self.fail("not-numeric", "text or a tuple where a number belongs", hint)
        scale = lcm(*(Fraction(value).denominator for _, value in pairs))
        scaled = [int(value * scale) for _, value in pairs]
        low, high = min(scaled), max(scaled)
        if low == high:
            return Ratio(constant(low), constant(scale))
        variable = self.arithmetic.variable(low, high, sorted(set(scaled)))
        self._allow(tree, [(*key, value) for (key, _), value in zip(pairs, scaled, strict=True)], variable.expression)
        return Ratio(variable, constant(scale))

    def _undefined(self, tree: Expr, pairs: Sequence[tuple[tuple[int, ...], Any]]) -> Any:
        """A literal that holds exactly where a tabulated tree has no value; None where it always has one."""
        if all(value is not None for _, value in pairs):
            return None
        literal = self.arithmetic.native.new_bool_var("")
        rows = [(*key, int(value is None)) for key, value in pairs]
        if len(rows) == 1:
            self.arithmetic.native.add(literal == 1)
        else:
            self._allow(tree, rows, literal)
        return literal

    # -- numbers -----------------------------------------------------------------------------------------------------

    def number(self, tree: Expr) -> Ratio:
        """The value of a tree as a ratio; remembered, so that equal sub-trees share their variables."""
        if tree not in self.known:
            before, self.pitfalls = self.pitfalls, []
            self.known[tree] = self._number(tree), self.pitfalls
            self.pitfalls = before
        ratio, pitfalls = self.known[tree]
        self.pitfalls += pitfalls
        return ratio

    def _number(self, tree: Expr) -> Ratio:
        match tree:
            case Literal(int() | Fraction() as value):
                return Ratio(constant(Fraction(value).numerator), constant(Fraction(value).denominator))
            case Name(name) if name in (*ADDITIVE_METRICS, "ram") or self.lowering.derived(name):
                return Ratio(self.lowering.metric(name), _ONE)
            case Unary("-", operand):
                return self._times(self.number(operand), _MINUS_ONE)
            case Binary("+", left, right):
                return self._sum(self.number(left), self.number(right))
            case Binary("-", left, right):
                return self._difference(left, right)
            case FunctionCall("sum", (first, *others)):
                total = self.number(first)
                for other in others:
                    total = self._sum(total, self.number(other))
                return total
            case Name(name) if self.lowering.numeric(name):
                return Ratio(self.lowering.metric(name), constant(self.lowering.denominator(name)))
            case _ if self._domains(tree) is not None:
                return self._tabulated(tree)
            case Binary() | Unary():
                return self._operation(tree)
            case FunctionCall(function, arguments):
                return self._call(function, arguments)
            case Name(name):
                hint = "use decisions, channels[i], height[i], width[i], rom, ram, macs, ..."
                raise self.fail("unknown-name", f"`{name}` cannot be lowered to CP-SAT", hint)
            case _:
                raise self.fail("not-numeric", "text where a number belongs", "compare it with == or !=")

    def _operation(self, tree: Binary | Unary) -> Ratio:
        match tree:
            case Binary("*", left, right):
                return self._times(self.number(left), self.number(right))
            case Binary("/", left, right):
                return self._divided(self.number(left), self.number(right))
            case Binary("//", left, right):
                return self._floor(self._divided(self.number(left), self.number(right)))
            case Binary("%", left, right):
                quotient = self.number(Binary("//", left, right))
                taken = self._times(quotient, self.number(right))
                return self._sum(self.number(left), self._times(taken, _MINUS_ONE))
            case _:
                return Ratio(IntegerTerm(self.truth(tree), 0, 1), _ONE)

    def _call(self, function: str, arguments: tuple[Expr, ...]) -> Ratio:
        match function, arguments:
            case "floor", (value,):
                return self.number(Binary("//", value, Literal(1)))
            case "ceil", (value,):
                return self.number(Unary("-", Binary("//", Unary("-", value), Literal(1))))
            case "abs", (value,):
                return self.number(FunctionCall("max", (value, Unary("-", value))))
            case "min", _:
                return self.number(Unary("-", FunctionCall("max", tuple(Unary("-", a) for a in arguments))))
            case "max", _:
                return self._largest([self.number(a) for a in arguments])
            case "round_to", (value, step):
                # As spaces.language.expressions has it: halves go up, and at least one multiple.
                half = Binary("+", value, Binary("/", step, Literal(2)))
                return self.number(FunctionCall("max", (step, Binary("*", Binary("//", half, step), step))))
            case _:
                message = f"`{function}` over more than {MAX_TABULATED:,} combinations cannot be lowered to CP-SAT"
                raise self.fail("not-lowered", message, "apply it to fewer decisions at once")

    # -- arithmetic on ratios ----------------------------------------------------------------------------------------

    def _common(self, ratios: list[Ratio]) -> tuple[list[IntegerTerm], IntegerTerm]:
        """The upper parts over one common lower part."""
        common = lcm(*(r.under.low for r in ratios if r.under.constant))
        varying = {id(r.under): r.under for r in ratios if not r.under.constant}
        overs: list[IntegerTerm] = []
        for r in ratios:
            factor = common // r.under.low if r.under.constant else common
            others = [under for key, under in varying.items() if key != id(r.under)]
            overs.append(self.arithmetic.product(r.over, constant(factor), *others))
        return overs, self.arithmetic.product(constant(common), *varying.values())

    def _sum(self, a: Ratio, b: Ratio) -> Ratio:
        (left, right), under = self._common([a, b])
        return Ratio(self.arithmetic.add(left, right), under)

    def _difference(self, left: Expr, right: Expr) -> Ratio:
        return self._sum(self.number(left), self._times(self.number(right), _MINUS_ONE))

    def _times(self, a: Ratio, b: Ratio) -> Ratio:
        return Ratio(self.arithmetic.product(a.over, b.over), self.arithmetic.product(a.under, b.under))

    def _divided(self, a: Ratio, b: Ratio) -> Ratio:
        if b.over.low <= 0 <= b.over.high:
            self.pitfalls.append((self.arithmetic.holds("==", b.over),))
            negative = IntegerTerm(self.arithmetic.holds("<", b.over), 0, 1)
            opposite = self.arithmetic.product(b.over, constant(-1))
            # The absolute value, or 1 in the place of 0.
            over = self.arithmetic.largest([b.over, opposite, _ONE])
            sign = self.arithmetic.add(_ONE, self.arithmetic.product(negative, constant(-2)))
            return self._times(a, Ratio(self.arithmetic.product(b.under, sign), over))
        sign = _MINUS_ONE.over if b.over.high < 0 else _ONE
        over, under = (self.arithmetic.product(part, sign) for part in (b.over, b.under))
        return self._times(a, Ratio(under, over))

    def _floor(self, a: Ratio) -> Ratio:
        return Ratio(self.arithmetic.floor(a.over, a.under), _ONE)

    def _largest(self, ratios: list[Ratio]) -> Ratio:
        overs, under = self._common(ratios)
        return Ratio(self.arithmetic.largest(overs), under)

    # -- truth -------------------------------------------------------------------------------------------------------

    def truth(self, tree: Expr) -> Any:
        """A literal that holds exactly when the tree is true."""
        match tree:
            case Unary("not", operand):
                return self.truth(operand).negated()
            case Binary("or", left, right):
                one = self.truth(left)
                return self.arithmetic.either(one, self._behind(one.negated(), right))
            case Binary("and", left, right):
                one = self.truth(left)
                return self.arithmetic.either(one.negated(), self._behind(one, right).negated()).negated()
            case Binary(op, left, right) if op in COMPARISONS and self._domains(tree) is None:
                return self.arithmetic.holds(op, self._difference(left, right).over)
            case _:
                return self.arithmetic.holds("!=", self.number(tree).over)

    def _behind(self, guard: Any, tree: Expr) -> Any:
        """The truth of what is only looked at where the guard holds."""
        before, self.pitfalls = self.pitfalls, []
        literal = self.truth(tree)
        self.pitfalls = before + [(guard, *pitfall) for pitfall in self.pitfalls]
        return literal


def _value(expression: Expression, names: Mapping[str, Any]) -> Any:
    """The value of an expression, None where it divides by zero."""
    try:
        return expression.evaluate(names)
    except ExpressionError as error:
        if error.diagnostics[0].code != "division-by-zero":
            raise
        return None
