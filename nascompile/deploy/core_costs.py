"""What an instruction takes on a core, by Arm's own tables where there are any, from memories that never wait.

* Cortex-M0+: technical reference manual DDI 0484, table 3-1, with the multiplier of one cycle that all chips of the
  catalogue have.
* Cortex-M4: DDI 0439, table 3-1, section 3.3.2 (loads and stores) and table 7-1 (floating point). A branch refills the
  pipeline in 1 to 3 cycles: here 2. A division takes 2 to 12: here 7.
* Cortex-M33: Arm gives no table. Its pipeline forms addresses one stage earlier than an M4's, so a load takes one
  cycle, and one more where the next instruction needs what it loads; a taken branch takes 2. That it runs some pairs of
  short instructions at once is left out.

What the numbers in registers change, and instructions skipped in an IT block, are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["COSTS", "Costs", "Instruction"]

_REGISTER = re.compile(r"\b(r\d+|s[bl]|fp|ip|sp|lr|pc|[sd]\d+)\b")
_RANGE = re.compile(r"\b([sd])(\d+)-[sd](\d+)\b")
_MANY = ("ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop")
#: Of floating point; all others take one cycle.
_FLOAT = {"vdiv": 14, "vsqr": 14, "vmla": 3, "vmls": 3, "vnml": 3, "vfma": 3, "vfms": 3, "vfnm": 3}
_NO_RESULT = ("cmp", "cmn", "tst", "teq", "str", "vstr", "cb", "b", "nop", "it")


@dataclass(frozen=True)
class Instruction:
    """An instruction as `objdump` names it.

    Args:
        name: its mnemonic.
        operands: the rest.
    """

    name: str
    operands: str

    @property
    def moves_many(self) -> bool:
        """Whether it moves a list of registers, or a pair."""
        return self.name.startswith((*_MANY, "ldrd", "strd"))

    @property
    def loads(self) -> bool:
        """Whether it loads one register."""
        return self.name.startswith(("ldr", "vldr")) and not self.moves_many

    @property
    def stores(self) -> bool:
        """Whether it stores one register."""
        return self.name.startswith(("str", "vstr")) and not self.moves_many

    @property
    def words(self) -> int:
        """Words that it moves.

        Example:
            >>> Instruction("push", "{r4, r5, lr}").words, Instruction("vpush", "{d8-d9}").words
            (3, 4)
        """
        if self.name.startswith(("ldrd", "strd")):
            return 2
        if not self.moves_many:
            return 1 + (self.name.startswith(("vldr", "vstr")) and self.operands.startswith("d"))
        listed = self.operands[self.operands.index("{") :]
        spans = [(kind, int(last) - int(first) + 1) for kind, first, last in _RANGE.findall(listed)]
        spans += [(name[0], 1) for name in _REGISTER.findall(_RANGE.sub("", listed))]
        return sum(count * (1 + (kind == "d")) for kind, count in spans)

    @property
    def address(self) -> set[str]:
        """Registers that make its address.

        Example:
            >>> sorted(Instruction("ldrb", "r3, [r1, r2]").address)
            ['r1', 'r2']
        """
        return set(_REGISTER.findall(self.operands.partition("[")[2].partition("]")[0]))

    @property
    def result(self) -> str:
        """The register that it computes or loads, if it is one."""
        none = self.name.startswith(_NO_RESULT) and not self.name.startswith(("bic", "bfi", "bfc"))
        if none or self.moves_many:
            return ""
        found = _REGISTER.match(self.operands)
        return found[0] if found else ""

    @property
    def reads(self) -> set[str]:
        """Registers that it needs; where its result is one of its operands, as in `adds r1, #4`, that one too."""
        rest = self.operands.partition(",")[2]
        short = rest.count(",") == 0 and not self.loads and not self.name.startswith("mov")
        whole = not self.result or short
        return set(_REGISTER.findall(self.operands if whole else rest)) | (self.address if self.loads else set())


@dataclass(frozen=True)
class Costs:
    """Cycles of a core's instructions; of those that are not here, one.

    Args:
        source: where they come from.
        load: a load of one register.
        store: a store of one register.
        many: a load or store of several registers, besides one cycle for each.
        taken: more, of a branch that is taken.
        call: more, of `bl`, and of one that is taken by loading its address.
        divide: a division.
        in_turn: a load or store behind a load takes one cycle less, unless that loads its address; behind what computes
            its address, one more.
        waits: an instruction takes one cycle more where the one before loads what it needs.
    """

    source: str
    load: int
    store: int
    many: int
    taken: int
    call: int
    divide: int
    in_turn: bool = False
    waits: bool = False

    def of(self, one: Instruction, before: Instruction | None) -> tuple[int, int]:
        """Cycles of an instruction, and how many more it takes behind the one before it in memory.

        Example:
            >>> load, more = Instruction("ldr", "r1, [r0, #4]"), Instruction("ldr", "r2, [r3, #4]")
            >>> COSTS["Cortex-M4F"].of(more, load), COSTS["Cortex-M0+"].of(more, load)
            ((2, -1), (2, 0))
        """
        own = self._own(one)
        if before is None:
            return own, 0
        if self.waits and before.loads and before.result in one.reads:
            return own, 1
        if not self.in_turn or not (one.loads or one.stores):
            return own, 0
        if before.loads and before.result not in one.address:
            return own, -(own > 1)
        return own, int(not before.loads and bool(before.result) and before.result in one.address)

    def _own(self, one: Instruction) -> int:
        if one.moves_many:
            return self.many + one.words
        if one.loads:
            return self.load + one.words - 1
        if one.stores:
            # A store at a fixed distance leaves for the buffer while the next instruction runs.
            buffered = self.in_turn and len(one.address) == 1
            return (1 if buffered else self.store) + one.words - 1
        if one.name.startswith(("udiv", "sdiv")):
            return self.divide
        if one.name.startswith(("dsb", "dmb", "isb", "mrs", "msr")):
            return 3
        return _FLOAT.get(one.name[:4], 1)

    def of_taken(self, one: Instruction) -> int:
        """Cycles more that a branch takes when it is taken."""
        return self.call if one.name == "bl" or one.name.startswith(("pop", "ldm")) else self.taken


#: By the core of a target.
COSTS = {
    "Cortex-M0+": Costs("Arm DDI 0484 table 3-1", load=2, store=2, many=1, taken=1, call=2, divide=1),
    "Cortex-M4F": Costs(
        "Arm DDI 0439 tables 3-1, 7-1, section 3.3.2; a taken branch 3",
        load=2, store=2, many=1, taken=2, call=2, divide=7, in_turn=True,
    ),
    "Cortex-M33": Costs(
        "what is known of its pipeline, for Arm gives no table; a taken branch 2",
        load=1, store=1, many=0, taken=1, call=1, divide=7, waits=True,
    ),
}  # fmt: skip
