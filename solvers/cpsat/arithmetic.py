"""Arithmetic on whole linear expressions in a CP-SAT model.

Normal form: an expression with known bounds. Every variable that is made is a function of the ones it is made from, so
that enumeration meets each assignment of the decisions exactly once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["LARGEST", "Arithmetic", "IntegerTerm", "constant"]

#: No expression may exceed this; CP-SAT's own sums must stay within 64 bits.
LARGEST = 2**60


@dataclass(frozen=True, eq=False)
class IntegerTerm:
    """A linear expression over whole numbers, or a plain int, with its bounds.

    Raises:
        OverflowError: a bound is above 2^60.
    """

    expression: Any
    low: int
    high: int

    def __post_init__(self) -> None:
        if max(-self.low, self.high) > LARGEST:
            raise OverflowError(f"{max(-self.low, self.high)} is above 2^60")

    @property
    def constant(self) -> bool:
        """Whether it has one value."""
        return self.low == self.high


def constant(value: int) -> IntegerTerm:
    """A constant."""
    return IntegerTerm(value, value, value)


class Arithmetic:
    """Operations that need variables and constraints of their own.

    Args:
        native: the `CpModel` that receives them.

    Example:
        >>> from ortools.sat.python import cp_model
        >>> model = cp_model.CpModel()
        >>> x = IntegerTerm(model.new_int_var(-7, 9, "x"), -7, 9)
        >>> third = Arithmetic(model).floor(x, constant(3))
        >>> third.low, third.high
        (-3, 3)
    """

    def __init__(self, native: Any) -> None:
        self.native = native

    def variable(self, low: int, high: int, values: Sequence[int] | None = None, name: str = "") -> IntegerTerm:
        """A new variable, over all whole numbers between its bounds or some of them."""
        from ortools.sat.python import cp_model

        bounds = IntegerTerm(None, low, high)
        domain = cp_model.Domain(low, high) if values is None else cp_model.Domain.from_values(list(values))
        return replace(bounds, expression=self.native.new_int_var_from_domain(domain, name))

    def plain(self, a: IntegerTerm) -> Any:
        """The value as a single variable or a number, which is what products and divisions take."""
        from ortools.sat.python import cp_model

        if a.constant:
            return a.low
        if isinstance(a.expression, cp_model.IntVar):
            return a.expression
        variable = self.variable(a.low, a.high).expression
        self.native.add(variable == a.expression)
        return variable

    def add(self, a: IntegerTerm, b: IntegerTerm) -> IntegerTerm:
        """a + b."""
        return IntegerTerm(a.expression + b.expression, a.low + b.low, a.high + b.high)

    def product(self, *factors: IntegerTerm) -> IntegerTerm:
        """The product of all factors."""
        result = factors[0]
        for factor in factors[1:]:
            result = self._times(result, factor)
        return result

    def _times(self, a: IntegerTerm, b: IntegerTerm) -> IntegerTerm:
        if a.constant:
            a, b = b, a
        corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
        low, high = min(corners), max(corners)
        if b.constant:
            return a if b.low == 1 else IntegerTerm(b.low * a.expression, low, high)
        product = self.variable(low, high)
        self.native.add_multiplication_equality(product.expression, [self.plain(a), self.plain(b)])
        return product

    def floor(self, a: IntegerTerm, b: IntegerTerm) -> IntegerTerm:
        """The largest whole number up to a / b; b is at least 1."""
        if b.constant and b.low == 1:
            return a
        # CP-SAT rounds towards 0, which agrees with the floor from 0 up: move the dividend there, and back.
        shift = max(0, -(a.low // b.low))
        above = self.add(a, self.product(b, constant(shift)))
        quotient = self.variable(max(0, above.low) // b.high, above.high // b.low)
        self.native.add_division_equality(quotient.expression, self.plain(above), self.plain(b))
        return self.add(quotient, constant(-shift))

    def largest(self, terms: Sequence[IntegerTerm], name: str = "") -> IntegerTerm:
        """The largest of several."""
        low = max(t.low for t in terms)
        terms = [t for t in terms if t.high >= low]
        result = self.variable(low, max(t.high for t in terms), name=name)
        self.native.add_max_equality(result.expression, [t.expression for t in terms])
        return result

    # -- truth -------------------------------------------------------------------------------------------------------

    def compared(self, op: str, a: IntegerTerm) -> Any:
        """The comparison of a with 0, to be added to the model."""
        compare = {"<=": a.expression <= 0, "<": a.expression <= -1, ">=": a.expression >= 0, ">": a.expression >= 1}
        compare |= {"==": a.expression == 0, "!=": a.expression != 0}
        return compare[op]

    def holds(self, op: str, a: IntegerTerm) -> Any:
        """A literal that is true exactly when a compares so with 0."""
        from ortools.sat.python import cp_model

        opposite = {"<=": ">", "<": ">=", ">=": "<", ">": "<=", "==": "!=", "!=": "=="}[op]
        if a.constant:
            return self.native.new_constant(int(bool(self.compared(op, constant(a.low)))))
        if op == "!=" and (a.low, a.high) == (0, 1) and isinstance(a.expression, cp_model.IntVar):
            return a.expression
        literal = self.native.new_bool_var("")
        self.native.add(self.compared(op, a)).only_enforce_if(literal)
        self.native.add(self.compared(opposite, a)).only_enforce_if(literal.negated())
        return literal

    def either(self, a: Any, b: Any) -> Any:
        """A literal that is true exactly when one of two is."""
        literal = self.native.new_bool_var("")
        self.native.add_bool_or([a, b, literal.negated()])
        self.native.add_implication(a, literal)
        self.native.add_implication(b, literal)
        return literal
