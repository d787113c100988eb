"""A deployed network as a part of somebody's firmware: beside others, in C++, by other compilers, in their memories."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ruamel.yaml import YAML

from nascompile.deploy import manifest
from nascompile.deploy.calls import constant_bytes
from nascompile.deploy.core import CORES
from nascompile.deploy.deploy import deploy
from nascompile.deploy.deployable import untrained
from nascompile.deploy.errors import DeployError
from nascompile.deploy.layers import stays
from nascompile.deploy.manifest import MANIFEST, Kept, write_folder
from nascompile.deploy.naming import Naming
from nascompile.deploy.project import kernel_sources, write_project
from tests.compression.networks import candidate, only
from tests.deploy.tools import any_chip, needs_arm, subject
from tests.system_tools import needs

#: In C++, since that is what Arduino and many firmwares are written in.
MAIN = """
#include "kws.h"
#include "vww.h"
#include "third.h"

alignas(8) static unsigned char shared[KWS_RAM > VWW_RAM ? KWS_RAM : VWW_RAM];
void *kws_arena;
void *vww_arena = shared;

extern "C" void nc_say(const char *text);

namespace kws_check {{
#include "{kws}/test/vectors.h"
}}
#undef NC_VECTORS
#undef NC_ALLOWED
namespace vww_check {{
#include "{vww}/test/vectors.h"
}}

template <typename Value> static bool near(const Value *a, const Value *b, int count)
{{
    for (int k = 0; k < count; k++)
        if (!(a[k] - b[k] < Value(1e-4) + Value(a[k] == b[k]) && b[k] - a[k] < Value(1e-4) + Value(a[k] == b[k])))
            return false;
    return true;
}}

int main()
{{
    static kws_value kws_out[KWS_OUTPUT_SIZE];
    static vww_value vww_out[VWW_OUTPUT_SIZE];
    bool right = kws_run(kws_check::nc_inputs[2], kws_out) == 1; // no arena
    kws_arena = shared + 1;
    right = right && kws_run(kws_check::nc_inputs[2], kws_out) == 1; // an odd one
    kws_arena = shared;
    for (int v = 0; v < 4; v++) {{
        right = right && kws_run(kws_check::nc_inputs[v], kws_out) == 0;
        right = right && vww_run(vww_check::nc_inputs[v], vww_out) == 0;
        right = right && third_run(kws_check::nc_inputs[v], kws_out) == 0;
        right = right && near(kws_out, kws_check::nc_outputs[v], KWS_OUTPUT_SIZE);
        right = right && near(vww_out, vww_check::nc_outputs[v], VWW_OUTPUT_SIZE);
    }}
    nc_say(right ? "all is right" : "something is wrong");
}}
"""
SAY = """
#include <stdint.h>
static void semihosting(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}
void nc_say(const char *text)
{
    semihosting(4, text);
    semihosting(0x18, (const void *)0x20026);
}
"""
SIZES = ("-Os", "-ffunction-sections", "-fdata-sections", "-Wall", "-Wextra", "-Werror")


def ran(*command: object, folder: Path) -> str:
    done = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@needs_arm
def test_networks_share_a_firmware_and_its_memory(tmp_path: Path) -> None:
    """Two in int8 and one in float32, whose folders nobody edits: every kernel is there once, whoever brings it."""
    core = CORES["Cortex-M4F"]
    objects = ["main.o", "say.o", "startup.o"]
    for name, dtype, more in (
        ("kws", "int8", ["-DKWS_ARENA_EXTERN"]),
        ("vww", "float32", ["-DVWW_ARENA_EXTERN"]),
        ("third", "int8", ["-DTHIRD_ARENA_SECTION=.bss.dtcm", "-DTHIRD_WEIGHTS_SECTION=.rodata.qspi"]),
    ):
        plan, vectors = subject("squeeze", dtype)
        write_project(tmp_path / name, plan, any_chip("Cortex-M4F"), vectors, "n", "", naming=Naming(name))
        sources = sorted(path.name for path in (tmp_path / name / "src").glob("*.c"))
        flags = (*core.flags.split(), *SIZES, "-I../include", *more)
        ran("arm-none-eabi-gcc", "-std=c99", *flags, "-c", *sources, folder=tmp_path / name / "src")
        objects += [f"{name}/src/{Path(source).stem}.o" for source in sources]
    (tmp_path / "main.cpp").write_text(MAIN.format(kws=tmp_path / "kws", vww=tmp_path / "vww"))
    (tmp_path / "say.c").write_text(SAY)
    cpp = ("-std=c++11", "-fno-exceptions", "-fno-rtti", "-DKWS_ARENA_EXTERN", "-DVWW_ARENA_EXTERN")
    headers = [f"-I{name}/include" for name in ("kws", "vww", "third")]
    ran("arm-none-eabi-g++", *core.flags.split(), *SIZES, *cpp, *headers, "-c", "main.cpp", folder=tmp_path)
    for path in ("say.c", "kws/image/startup.c"):
        ran("arm-none-eabi-gcc", *core.flags.split(), "-Os", "-c", path, folder=tmp_path)
    link = ("-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections", "-T", "kws/image/emulator.ld")
    ran("arm-none-eabi-gcc", *core.flags.split(), *link, *objects, "-o", "all.elf", folder=tmp_path)

    qemu = ("qemu-system-arm", "-M", core.machine, "-nographic", "-monitor", "none", "-serial", "none")
    semihosting = ("-semihosting-config", "enable=on,target=native")
    assert "all is right" in ran(*qemu, *semihosting, "-kernel", "all.elf", folder=tmp_path)

    symbols = ran("arm-none-eabi-nm", "all.elf", folder=tmp_path)
    kernels = re.findall(r"[TWtw] (nc_(\w+)_(int8|float32)_[0-9a-f]{8})$", symbols, re.M)
    assert {dtype for _, _, dtype in kernels} == {"int8", "float32"}
    assert len({name for name, _, _ in kernels}) == len(kernels)
    # Nor are the functions that only a kernel knows there twice.
    assert [len(re.findall(rf" t {name}$", symbols, re.M)) for name in ("window", "products", "wide")] == [1, 1, 1]
    lies = ran("arm-none-eabi-objdump", "-t", "third/src/third.o", folder=tmp_path)
    assert re.search(r" \.bss\.dtcm\t\S+ arena$", lies, re.M)
    assert {found[1] for found in re.finditer(r" (\.\S+)\t\S+ (?:ops|weights\d+|scales\d+)$", lies, re.M)} == {
        ".rodata.qspi"
    }


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_every_kernel_may_be_brought_twice(dtype: str) -> None:
    sources = kernel_sources(dtype)
    declared = set(re.findall(r"^void (nc_\w+)\(", sources["nc_kernels.h"], re.M))
    text = "\n".join(text for name, text in sources.items() if name.endswith(".c"))
    assert declared == set(re.findall(r"^NC_SHARED (?:NC_OPTIMIZE\([^)]*\) )?void (nc_\w+)\(", text, re.M))
    # Attributes stand where a compiler without them is thought of.
    assert not re.search(r"__attribute__|__builtin", text + sources["nc_kernels.h"])


@needs_arm
@needs("clang")
@pytest.mark.parametrize(("core", "dtype"), [("Cortex-M4F", "int8"), ("Cortex-M0+", "int8"), ("Cortex-M7", "float32")])
def test_clang_compiles_it_without_a_word(core: str, dtype: str, tmp_path: Path) -> None:
    plan, vectors = subject("squeeze", dtype)
    write_project(tmp_path, plan, any_chip(core), vectors, "n", "")
    for name, text in kernel_sources(dtype).items():
        (tmp_path / "src" / name).write_text(text)
    newlib = next(p for p in map(Path, ("/usr/include/newlib", "/usr/lib/arm-none-eabi/include")) if p.is_dir())
    flags = ("--target=arm-none-eabi", *CORES[core].flags.split(), "-std=c99", *SIZES, "-pedantic", f"-isystem{newlib}")
    ran("clang", *flags, "-I../include", "-c", *(tmp_path / "src").glob("*.c"), folder=tmp_path / "src")


#: Of Zephyr what a module calls.
CMAKE = """
cmake_minimum_required(VERSION 3.13)
project(firmware C)
add_subdirectory({kws} kws)

function(zephyr_library_named name)
    add_library(${{name}} STATIC)
    set(ZEPHYR_CURRENT_LIBRARY ${{name}} PARENT_SCOPE)
endfunction()
function(zephyr_library_sources)
    target_sources(${{ZEPHYR_CURRENT_LIBRARY}} PRIVATE ${{ARGN}})
endfunction()
function(zephyr_include_directories)
    target_include_directories(${{ZEPHYR_CURRENT_LIBRARY}} PUBLIC ${{ARGN}})
endfunction()
add_subdirectory({other}/{zephyr} other)

add_executable(firmware main.c)
target_link_libraries(firmware kws other)
"""
CMAKE_MAIN = """
#include "kws.h"
#include "other.h"
#include "{kws}/test/vectors.h"
int main(void)
{{
    kws_value out[KWS_OUTPUT_SIZE], again[OTHER_OUTPUT_SIZE];
    int wrong = kws_run(nc_inputs[1], out) + other_run(nc_inputs[1], again);
    for (int k = 0; k < KWS_OUTPUT_SIZE; k++)
        wrong += out[k] != nc_outputs[1][k] || again[k] != out[k];
    return wrong;
}}
"""
PLATFORMIO = """
import json, sys
from platformio.package.manifest.parser import ManifestParserFactory
from platformio.package.manifest.schema import ManifestSchema
read = [ManifestParserFactory.new_from_file(path).as_dict() for path in sys.argv[1:]]
print(json.dumps([ManifestSchema().load_manifest(manifest) for manifest in read]))
"""


@needs("cc", "cmake", "make")
def test_five_build_systems_take_the_folder(tmp_path: Path) -> None:
    plan, vectors = subject("squeeze", "int8")
    for name in ("kws", "other"):
        write_project(tmp_path / name, plan, any_chip("Cortex-M4F"), vectors, "a <network>", "", naming=Naming(name))
    folder = tmp_path / "kws"
    sources = {f"src/{path.name}" for path in (folder / "src").glob("*.c")}
    # CMake, and Zephyr by it.
    module = YAML(typ="safe").load(folder / "zephyr/module.yml")
    assert set(module) == {"name", "build"}
    places = {"kws": folder, "other": tmp_path / "other", "zephyr": module["build"]["cmake"]}
    (tmp_path / "CMakeLists.txt").write_text(CMAKE.format(**places))
    (tmp_path / "main.c").write_text(CMAKE_MAIN.format(**places))
    ran("cmake", "-S", ".", "-B", "made", folder=tmp_path)
    ran("cmake", "--build", "made", folder=tmp_path)
    ran("made/firmware", folder=tmp_path)
    # A CMSIS pack: all sources, and nothing that is not there.
    pack = ElementTree.parse(folder / "nascompile.kws.pdsc").getroot()
    listed = {(row.get("category"), row.get("name")) for row in pack.iter("file")}
    assert {name for category, name in listed if category == "sourceC"} == sources
    assert all((folder / str(name)).exists() for _, name in listed)
    assert (pack.findtext("vendor"), pack.findtext("name")) == ("nascompile", "kws")
    # Arduino: the sources' folder alone is searched for headers.
    ran("cc", "-fsyntax-only", "-Isrc", *sorted(sources), folder=folder)
    # PlatformIO reads Arduino's manifest, too.
    pytest.importorskip("platformio")
    said = ran(sys.executable, "-c", PLATFORMIO, "library.json", "library.properties", folder=folder)
    own, arduino = json.loads(said)
    assert (own["name"], arduino["name"]) == ("kws", "kws")
    assert own["headers"] == arduino["headers"] == ["kws.h"]
    build = json.loads((folder / "library.json").read_text())["build"]
    assert all((folder / build[key]).is_dir() for key in ("includeDir", "srcDir"))


@pytest.mark.parametrize("prefix", ["", "3d", "my net", "int", "_kws", "a" * 40, "kws-1", "ü"])
def test_a_prefix_is_a_name_in_c(prefix: str) -> None:
    with pytest.raises(DeployError, match="bad-prefix"):
        Naming(prefix)


def test_nothing_of_the_users_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    many, few = (subject(name, "int8") for name in ("squeeze", "mlp"))
    chip = any_chip("Cortex-M4F")
    assert write_project(folder, many[0], chip, many[1], "n", "") == Kept()
    before = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    mine = {"image/uart.c": "mine", "src/nc_mine.c": "mine, too", "image/main.c": "edited", "Makefile": "edited",
            "src/nc_depthwise.c": "edited"}  # fmt: skip
    for path, text in mine.items():
        (folder / path).write_text(text)
    (folder / "README.md").unlink()
    kept = write_project(folder, few[0], chip, few[1], "n", "told")
    assert kept.edited == ("Makefile", "image/main.c", "src/nc_depthwise.c")
    assert kept.foreign == ("image/uart.c", "src/nc_mine.c")
    assert {path: (folder / path).read_text() for path in mine} == mine
    assert (folder / "README.md").read_text() == "told"
    # What this network does not need is gone.
    assert Path("src/nc_add.c") in before
    assert not (folder / "src/nc_add.c").exists()
    # An edited file that is deleted comes back as this network has it.
    (folder / "image/main.c").unlink()
    assert "image/main.c" not in write_project(folder, few[0], chip, few[1], "n", "").edited
    assert "nc_run" in (folder / "image/main.c").read_text()


def test_an_interruption_leaves_no_file_of_ours_taken_for_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {"a.c": "1", "b.c": "1", "c.c": "1"}
    write_folder(tmp_path / "p", texts, "library")
    real = manifest.write_atomically

    def stopped(path: Path, data: bytes) -> None:
        if path.name == "b.c":
            raise KeyboardInterrupt
        real(path, data)

    monkeypatch.setattr(manifest, "write_atomically", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "p", dict.fromkeys(texts, "2"), "library")
    monkeypatch.undo()
    assert write_folder(tmp_path / "p", dict.fromkeys(texts, "3"), "library") == Kept()
    assert {(tmp_path / "p" / name).read_text() for name in texts} == {"3"}


@pytest.mark.parametrize(
    ("manifest_text", "code"),
    [(None, "not-a-deployment"), ("{", "damaged-manifest"), ('{"holds": "library", "files": {"../x": ""}}', "damaged"),
     ('{"holds": "cake", "files": {}}', "not-a-deployment")],
)  # fmt: skip
def test_a_folder_that_is_not_ours_is_left_as_it_is(manifest_text: str | None, code: str, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text("mine")
    if manifest_text is not None:
        (tmp_path / MANIFEST).write_text(manifest_text)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DeployError, match=code):
        write_folder(tmp_path, {"main.c": "ours", "a.c": ""}, "library")
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "main.c").read_text() == "mine"


BY_ROWS = """
space: rows
input: {channels: 4, height: 24, width: 24}
bias: true
network:
  - inverted_residual: {filters: 4}
  - inverted_residual: {filters: 8, stride: 2, squeeze: 2}
"""


@pytest.mark.parametrize(("given", "dtype"), [(None, "int8"), (None, "float32"), (BY_ROWS, "int8")])
def test_the_table_adds_up_and_the_drawing_shows_every_tensor_once(
    given: str | None, dtype: str, tmp_path: Path
) -> None:
    one = only(given) if given else candidate("squeeze")
    made = deploy(untrained(one, dtype), any_chip("Cortex-M4F"), tmp_path)
    network, rows = made.subject.network, made.layers
    assert [row.number for row in rows] == [*range(1, len(network.ops) + 1)]
    assert max(row.ram for row in rows) == made.ram == made.predicted["ram"]
    assert sum(row.constants for row in rows) == sum(map(constant_bytes, made.plan.rows))
    total = sum(row.instructions or 0 for row in rows)
    # Each row is rounded by itself.
    assert -len(rows) <= made.predicted["instructions"] - total < 500
    assert any("in place" in row.note for row in rows if row.kind in ("add", "mul"))
    told = (tmp_path / "README.md").read_text()
    assert all(f"| {row.number} | {row.kind} | " in told for row in rows)
    picture = ElementTree.parse(tmp_path / "arena.svg").getroot()
    drawn = [rect for rect in picture.iter("{http://www.w3.org/2000/svg}rect") if len(rect)]
    found = stays(network, made.plan)
    # What is there row by row has no place of its own.
    found = [stay for stay in found if stay.end > stay.begin]
    assert len(drawn) == len(found)
    assert sum("by rows" in row.note for row in rows) == 5 * (given is not None)
    assert max(stay.end for stay in found) == made.ram
    # What is in use at a time never overlaps but where a row says that it is in place, or a view.
    for k, stay in enumerate(found):
        for other in found[:k]:
            if other.first < stay.first <= other.last and stay.overlaps(other) and not stay.scratch:
                assert re.search("in place|a view", rows[stay.first - 1].note)
