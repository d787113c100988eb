"""What ships of a network whatever its program counts: the same limits under the dtype and the runtime of the C."""

from __future__ import annotations

import pytest

import nascompile as nc
from spaces.errors import NascompileError
from spaces.program.shipping import Shipping, ships, target_of
from spaces.targets.target import Region, Target

CHIP = Target(
    "mine", "my chip", "Cortex-M4F", 10**8, (Region("f", "flash", 2**18, False), Region("r", "ram", 2**16, True))
)


def test_a_program_that_ships_is_itself() -> None:
    program = nc.compile("dscnn", mcu="stm32f412", ships="int8")
    assert ships(program, "int8") is program
    assert (program.runtime.name, program.ram_model, program.budgets.ram) == ("nascompile-c", "liveness", 261_120)


@pytest.mark.parametrize("space", ["dscnn", "mlp2", "autoencoder"])
@pytest.mark.parametrize("mcu", ["stm32l432", "esp32", CHIP])
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_limits_are_those_of_a_space_compiled_for_it(space: str, mcu: str | Target, dtype: str) -> None:
    chip = mcu if isinstance(mcu, Target) else None
    there = ships(nc.compile(space, mcu=mcu, flops="10M"), dtype, chip)
    wanted = nc.compile(space, mcu=mcu, flops="10M", ships=dtype)
    assert (there.budgets, there.runtime, there.ram_model) == (wanted.budgets, wanted.runtime, wanted.ram_model)
    assert there.space.text == wanted.space.text


def test_explicit_memories_stay_as_they_are() -> None:
    program = ships(nc.compile("dscnn", mcu="stm32f412", ram="100KiB", rom=70_000), "int8")
    assert (program.budgets.ram, program.budgets.rom) == (102_400, 70_000)


def test_what_is_given_stands_in_place_of_what_ships() -> None:
    program = nc.compile("dscnn", mcu="stm32f412", ships="int8", runtime="ebs", ram_model="liveness")
    assert (program.runtime.name, program.ram_model, program.space.settings.dtype) == ("ebs", "liveness", "int8")
    with pytest.raises(NascompileError, match="no MCU is given"):
        nc.compile("dscnn", ships="int8", runtime="nascompile-c")
    assert nc.compile("dscnn", rom="1MiB", ships="int8").runtime.name == "ebs"


def test_a_loaded_space_takes_the_data_type() -> None:
    from spaces.language.reader import load_space

    space = load_space("dscnn", ["choices.M.step=56"])
    program = nc.compile(space, mcu="stm32f412", ships="int8")
    assert (program.space.settings.dtype, program.size) == ("int8", nc.compile(space).size)
    assert nc.compile(program.space, ships="int8").space is program.space


def test_takes_are_the_costs_of_the_program_that_ships() -> None:
    counted, there = nc.reduce("dscnn", mcu="stm32f412"), nc.compile("dscnn", mcu="stm32f412", ships="int8")
    shipping = Shipping.of(counted.program, "int8")
    for candidate in counted.sample(20, seed=1):
        costs = nc.parse_candidate(there, str(candidate)).costs
        takes = shipping.takes(candidate)
        assert (takes.rom, takes.ram) == (costs["rom"], costs["ram_liveness"])
        assert takes.latency is None
        assert takes.instructions is not None


def test_the_core_of_a_target_file_is_kept_with_the_runtime() -> None:
    program = nc.compile("dscnn", mcu=CHIP, runtime="nascompile-c")
    assert target_of(program) is None
    assert ships(program, "int8").runtime == nc.compile("dscnn", mcu="stm32f412", ships="int8").runtime
    assert Shipping.of(program, "int8").memories == {"rom": 2**18, "ram": 2**16 - 1024}
    assert Shipping.of(program, "int8", CHIP).memories == {"rom": 2**18, "ram": 2**16}


def test_an_unknown_core_has_no_instructions() -> None:
    program = nc.compile("mlp2", mcu="esp32")
    shipping, network = Shipping.of(program, "int8"), nc.parse_candidate(program, "mlp2: 32-16")
    assert not shipping.measured
    assert shipping.takes(network)._replace(ram=0) == (1280, 0, None, None, None, None)
    assert Shipping.of(nc.compile("mlp2"), "int8").memories == {}


def test_a_latency_of_the_type_that_ships_is_kept() -> None:
    program = nc.compile("dscnn", mcu="stm32f746", latency_profile="auto", overrides=["dtype=int8"])
    network = nc.parse_candidate(program, "dscnn/6: 84-84-84-84-84-84")
    assert Shipping.of(program, "int8").takes(network).latency == network.costs["latency"] > 0
    assert Shipping.of(program, "float32").takes(network).latency is None
