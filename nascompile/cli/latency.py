"""`nascompile latency`: make, list and show latency profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from nascompile.api import compile as compile_program
from nascompile.cli.options import Json, takes_options
from nascompile.cli.output import emit_json, out, say, table, working
from nascompile.cli.outputs import FILE, FOLDER, checks_outputs, inputs
from nascompile.cli.tables import print_table
from spaces.costs.latency import LatencyProfile
from spaces.costs.latency_file import check_name, profile_text, write_profile
from spaces.costs.latency_profiles import load_profile, named_profile, profiles
from spaces.costs.prices import OperatorPrices
from spaces.errors import NascompileError, UnitError, did_you_mean
from spaces.files import check_file
from spaces.targets.catalogue import load_target
from spaces.tensors import DTYPES
from spaces.units import parse_bytes, parse_hz, parse_time_ns

if TYPE_CHECKING:
    from nascompile.latency.calibrate import Measurement
    from nascompile.latency.data import Feature, Measurements
    from nascompile.latency.fit import Errors, Fit, Outlier

__all__ = ["latency"]

latency = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Latency profiles of devices: make, list and show them.",
)


ProfileFile = Annotated[
    Path | None, typer.Option("--out", "-o", help="File to write. Default: NAME.yaml here.", metavar="FILE"), FILE
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")]


@dataclass(frozen=True)
class FitOptions:
    """What is fitted, and what its profile is called."""

    measurements: Annotated[
        Path, typer.Argument(metavar="CSV", help="A file with a latency and the features of one network per row.")
    ]
    name: Annotated[str, typer.Option("--name", help="Name of the profile: that of its MCU.", metavar="NAME")]
    space: Annotated[
        str | None,
        typer.Option("--space", help="Count the features of the networks in column `candidate` or `arch` of SPACE."),
    ] = None
    clock: Annotated[str | None, typer.Option("--clock", help="Clock while measuring: 128MHz.", metavar="HZ")] = None
    core: Annotated[str, typer.Option("--core", help="Core of the processor: Cortex-M33.", metavar="CORE")] = ""
    runtime: Annotated[
        str, typer.Option("--runtime", help="What ran the networks: x-cube-ai, tflite-micro, ...", metavar="NAME")
    ] = ""
    version: Annotated[str, typer.Option("--runtime-version", help="Its version.", metavar="TEXT")] = ""
    dtype: Annotated[
        str | None,
        typer.Option(
            "--dtype",
            help="Data type the networks ran with: int8, int16, float16 or float32. Default: int8; operators tell.",
        ),
    ] = None
    source: Annotated[
        str, typer.Option("--source", help="Where the measurements come from. Default: the file's name.")
    ] = ""
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            help="Column whose equal values mark networks of one kind: never some to fit, some to check with. "
            "Default: iso_rep_idx if there, else networks with equal features.",
            metavar="COLUMN",
        ),
    ] = None
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the cross-validation's folds.")] = 0
    output: ProfileFile = None
    force: Force = False
    as_json: Json = False


@latency.command()
@checks_outputs
@takes_options
def fit(options: FitOptions) -> None:
    """Fit a latency profile to measured networks, or to timed operators, and write it to a file.

    A column holds the latency (latency_ms, latency_s, latency_us, latency_ns or inference_ms). The others hold macs,
    outputs and ops of the network, or conv.macs, conv.outputs, conv.ops, ... per operator kind; or `candidate`, a
    network of --space. One more may hold the energy (energy_J, energy_mJ, energy_uJ) or the mean power (power_W,
    power_mW, power_uW). Reports the error on networks held out of the fit, beside that of MACs alone.

    What the firmware of `nascompile latency firmware` prints is read as it is.

    Examples:

      nascompile latency fit measured.csv --name my-board --clock 128MHz

      nascompile latency fit cells.csv --name nrf5340 --space nasbench201 -o nrf5340.yaml
    """
    from nascompile.latency.fit import fit_profile

    name, dtype, measurements = options.name, options.dtype, options.measurements
    check_name(name)
    path = _free(options.output or Path(f"{name}.yaml"), options.force)
    check_file(path, inputs({"measurements": measurements, "space": options.space}))
    if dtype is not None and dtype not in DTYPES:
        raise NascompileError.of("bad-option", f"there is no data type `{dtype}`", did_you_mean(dtype, DTYPES))
    clock_hz = parse_hz(options.clock) if options.clock is not None else 0
    with working(f"fitting {measurements}"):
        data = _measurements(options, clock_hz)
        about = {
            "dtype": dtype or "int8", "core": options.core.strip(),
            "source": options.source.strip() or measurements.name,
        }  # fmt: skip
        found = fit_profile(data, name, **about, clock_hz=clock_hz, seed=options.seed)
    ran = replace(found.profile, runtime=options.runtime.strip(), version=options.version.strip())
    found = replace(found, profile=ran)
    write_profile(found.profile, path)
    if options.as_json:
        emit_json({**_fit_data(found), "file": str(path)})
    else:
        _print_fit(found)
    say(f"written: {path}")


@latency.command()
@checks_outputs
def firmware(
    mcu: Annotated[
        str, typer.Option("--mcu", help="Chip, part number, board, or your own target file.", metavar="NAME")
    ],
    output: Annotated[
        Path, typer.Option("--out", "-o", help="Folder to write, made if needed.", metavar="FOLDER"), FOLDER
    ],
    rom: Annotated[
        str | None, typer.Option("--rom", help="Room for the firmware, on a chip without flash.", metavar="BYTES")
    ] = None,
    dtype: Annotated[str, typer.Option("--dtype", help="Data type of the operators: int8 or float32.")] = "int8",
    as_json: Json = False,
) -> None:
    """Write a firmware that times the operators of our C on a real board, for `nascompile latency fit` to read.

    Some 300 operators of random shapes are run and timed by the cycle counter; a line is printed for each. README.md
    in the folder says how to build it, what your board must set up, and where the lines come out.

    Examples:

      nascompile latency firmware --mcu stm32f412 -o timing

      nascompile latency fit board.csv --name my-board --clock 100MHz --core Cortex-M4F
    """
    from nascompile.deploy.latency_firmware import write_firmware
    from spaces.operators import LOOPS

    if dtype not in LOOPS:
        raise NascompileError.of("bad-option", f"there are no kernels in `{dtype}`", did_you_mean(dtype, LOOPS))
    target = load_target(mcu).with_rom(parse_bytes(rom) if rom else None)
    calls = write_firmware(output, target, dtype)
    if as_json:
        emit_json({"folder": str(output), "dtype": dtype, "operators": len(calls)})
    say(f"written: {output}, {len(calls)} operators in {dtype}; its README.md says how to build and run it")


@dataclass(frozen=True)
class CalibrateOptions:
    """What is calibrated, by what, and what the result is called."""

    profile: Annotated[
        str, typer.Argument(metavar="PROFILE", help="A profile of the library (`nascompile latency list`), or a file.")
    ]
    measured: Annotated[
        list[str],
        typer.Option(
            "--measured",
            help='A network and what it took on the board: "kws.yaml=43.2ms", or "SPACE CANDIDATE=43.2ms" of a space '
            "with several. May be given several times.",
            metavar="NET=TIME",
        ),
    ]
    mcu: Annotated[
        str | None,
        typer.Option("--mcu", help="Chip, part number, board or target file; gives the clock.", metavar="NAME"),
    ] = None
    clock: Annotated[
        str | None, typer.Option("--clock", help="Clock while measuring, in place of the MCU's: 128MHz.", metavar="HZ")
    ] = None
    name: Annotated[str, typer.Option("--name", help="Name of the new profile: that of the board.", metavar="NAME")] = (
        "my-board"
    )
    output: ProfileFile = None
    force: Force = False
    as_json: Json = False


@latency.command()
@checks_outputs
@takes_options
def calibrate(options: CalibrateOptions) -> None:
    """Calibrate a latency profile by one or a few networks measured on a board.

    The library has the four networks of MLPerf Tiny to measure: mlperf_kws, mlperf_ic, mlperf_vww, mlperf_ad. One of
    the three convolutional ones gives the factor of the board; more of them also tell kinds of operators apart.

    Examples:

      nascompile latency calibrate x-cube-ai-m33 --mcu stm32u585 --measured "mlperf_kws=38.6ms" --name my-board

      nascompile reduce dscnn dtype=int8 --mcu stm32u585 --latency 200ms --latency-profile my-board.yaml
    """
    from nascompile.latency.calibrate import calibrate as calibrated

    check_name(options.name)
    path = _free(options.output or Path(f"{options.name}.yaml"), options.force)
    target = load_target(options.mcu) if options.mcu else None
    profile = named_profile(options.profile, target, "int8")
    if options.clock is not None:
        profile = profile.at_clock(parse_hz(options.clock))
    if profile.unit != "ns" and not profile.clock_hz:
        message = f"the latency profile `{profile.name}` counts {profile.unit}, and the board's clock is not known"
        raise NascompileError.of("bad-option", message, "give --clock 160MHz, or --mcu")
    check_file(path, inputs({"profile": options.profile}))
    measured = [_measurement(text) for text in options.measured]
    found = calibrated(profile, measured, options.name)
    write_profile(found.profile, path)
    rows = [
        {"network": one.name, "measured_ns": one.ns, "before_ns": before, "after_ns": after}
        for one, before, after in zip(measured, found.before, found.after, strict=True)
    ]
    if options.as_json:
        made = _profile_data(found.profile)
        emit_json({"profile": made, "factor": found.factor, "measured": rows, "file": str(path)})
    else:
        out.print(f"the board is {found.factor:.3g} times as slow as [bold]{escape(profile.name)}[/bold]")
        shown = table("network", ">measured ms", ">before ms", ">after ms")
        for row in rows:
            times = (f"{row[key] / 1e6:,.3f}" for key in ("measured_ns", "before_ns", "after_ns"))
            shown.add_row(escape(str(row["network"])), *times)
        print_table(shown)
    say(f"written: {path}")
    if profile.energy:
        say("it has no energies: these were measured on another board")


def _measurement(text: str) -> Measurement:
    """A network and its latency, from `kws.yaml=43.2ms` or `SPACE CANDIDATE=43.2ms`."""
    from nascompile.latency.calibrate import Measurement
    from spaces.program.candidate import candidate_of, parse_candidate

    subject, equals, time = text.rpartition("=")
    space, _, line = subject.strip().partition(" ")
    if not equals or not space:
        hint = 'write --measured "mlperf_kws=43.2ms"'
        raise NascompileError.of("bad-option", f"`{text[:60]}` is no network and its latency", hint)
    try:
        ns = parse_time_ns(time.strip())
    except UnitError as error:
        raise UnitError(replace(d, message=f"{subject.strip()}: {d.message}") for d in error.diagnostics) from None
    if ns <= 0:
        raise NascompileError.of("wrong-value", f"`{subject.strip()}` took {time.strip()}", "a latency is above zero")
    program = compile_program(space, tables=False)
    if line:
        return Measurement(subject.strip(), parse_candidate(program, line.strip()), ns)
    if program.size != 1:
        hint = f'name the one that was measured: --measured "{space} CANDIDATE={time.strip()}"'
        raise NascompileError.of("bad-option", f"`{space}` has {program.size:,} networks", hint)
    return Measurement(space, candidate_of(program, 0, [0] * len(program.variants[0].decisions)), ns)


def _measurements(options: FitOptions, clock_hz: int) -> Measurements:
    """The measured networks or operators of a file."""
    from nascompile.latency.data import read_measurements
    from nascompile.latency.operators import holds_operators, read_operators

    path, space, group, dtype = options.measurements, options.space, options.group, options.dtype
    if not holds_operators(path):
        return read_measurements(path, compile_program(space) if space else None, group)
    for option, value in (("--space", space), ("--group", group)):
        if value is not None:
            raise NascompileError.of(
                "bad-option", f"`{path}` holds operators, to which {option} means nothing", "leave it out"
            )
    data = read_operators(path, options.core)
    if dtype not in (None, data.dtype):
        raise NascompileError.of(
            "bad-option", f"`{path}` holds operators in {data.dtype}, and --dtype is {dtype}", "leave --dtype out"
        )
    if data.unit == "cycles" and not clock_hz:
        raise NascompileError.of(
            "bad-option", f"`{path}` holds cycles, and nothing says how long one takes", "give --clock: --clock 100MHz"
        )
    return data


def _free(path: Path, force: bool) -> Path:
    if path.is_file() and not force:
        message = f"`{path}` is there already"
        raise NascompileError.of("file-exists", message, "give another --out, or --force to overwrite")
    return path


def _fit_data(found: Fit) -> dict[str, Any]:
    return {
        "profile": _profile_data(found.profile),
        "errors": vars(found.errors),
        "macs_alone": vars(found.baseline) if found.baseline else None,
        "energy_errors": vars(found.energy) if found.energy else None,
        "energy_by_one_power": vars(found.power) if found.power else None,
        "rows": found.rows,
        "groups": found.groups,
        "folds": found.folds,
        "features": {
            "used": list(map(str, found.used)),
            "constant": list(map(str, found.constant)),
            "determined_by_others": list(map(str, found.dependent)),
        },
        "outliers": [_outlier_data(outlier, found.profile.unit) for outlier in found.outliers],
    }


def _outlier_data(outlier: Outlier, unit: str) -> dict[str, Any]:
    amounts = {f"measured_{unit}": outlier.measured, f"predicted_{unit}": outlier.predicted}
    return {"line": outlier.line, "network": outlier.label, **amounts}


def _print_fit(found: Fit) -> None:
    what = "operators" if found.profile.loops else "networks"
    out.print(
        f"[bold]{escape(found.profile.name)}[/bold]: {found.rows:,} {what} in {found.groups:,} groups; "
        f"errors of {found.folds}-fold cross-validation"
    )
    out.print()
    rows = table("model", ">median error", ">90th percentile", ">largest", ">Spearman", ">Kendall")
    rows.add_row("profile", *_errors_row(found.errors))
    if found.baseline:
        rows.add_row("MACs alone", *_errors_row(found.baseline))
    if found.energy and found.power:
        rows.add_row("its energies", *_errors_row(found.energy))
        rows.add_row("latency times one power", *_errors_row(found.power))
    print_table(rows)
    out.print()
    _print_terms(found.profile)
    if found.constant:
        _print_features("the same in every row, so part of the constant per network", found.constant)
    if found.dependent:
        _print_features("determined by the others, so part of their terms", found.dependent)
    if found.outliers:
        out.print(f"\n{len(found.outliers)} rows are far from the profile, which leaves them out:")
        unit, scale = ("ms", 1e6) if found.profile.unit == "ns" else (found.profile.unit, 1)
        far = table(">line", f">measured {unit}", f">predicted {unit}", ">off by", f"~{what[:-1]}")
        for o in found.outliers:
            amounts = (f"{amount / scale:,.3f}" for amount in (o.measured, o.predicted))
            far.add_row(str(o.line), *amounts, f"{o.percent:+.0f} %", escape(o.label))
        out.print(far)


def _print_features(what: str, features: Sequence[Feature]) -> None:
    out.print(f"{what}: {escape(', '.join(map(str, features)))}")


def _errors_row(errors: Errors) -> list[str]:
    percents = (errors.median, errors.p90, errors.largest)
    return [*(f"{p:.3g} %" for p in percents), f"{errors.spearman:.3f}", f"{errors.kendall:.3f}"]


@latency.command("list")
def list_profiles(as_json: Json = False) -> None:
    """List the library's latency profiles and their stated errors."""
    found = [load_profile(name) for name in profiles()]
    if as_json:
        emit_json([_profile_data(profile) for profile in found])
        return
    rows = table(
        "name", "runtime", "version", "core", ">MHz", "type", "unit", ">boards", ">held out", ">median error",
        ">90th percentile", ">of energy", "~source",
    )  # fmt: skip
    for p in found:
        clock = f"{p.clock_hz / 1e6:g}" if p.clock_hz else "-"
        errors = (str(p.error.rows), f"{p.error.median:.3g} %", f"{p.error.p90:.3g} %") if p.error else ("-", "-", "-")
        about = (escape(text or "-") for text in (p.name, p.runtime, p.version, p.core))
        boards = str(p.boards) if p.boards else "-"
        energy = f"{p.energy.error.median:.3g} %" if p.energy and p.energy.error else "-"
        rows.add_row(*about, clock, p.dtype, p.unit, boards, *errors, energy, escape(p.source))
    print_table(rows)


@latency.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A profile of the library, or a profile file.")],
    as_json: Json = False,
) -> None:
    """Print a latency profile as the YAML file that it is."""
    profile = load_profile(name)
    if as_json:
        emit_json(_profile_data(profile))
    else:
        print(profile_text(profile), end="")


def _profile_data(profile: LatencyProfile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "dtype": profile.dtype,
        "runtime": profile.runtime,
        "version": profile.version,
        "core": profile.core,
        "clock_hz": profile.clock_hz,
        "source": profile.source,
        "boards": profile.boards,
        "unit": profile.unit,
        **_prices_data(profile),
        "guessed": list(profile.guessed),
        "loops": profile.loops,
        "energy": _prices_data(profile.energy) if profile.energy else None,
    }


def _prices_data(prices: OperatorPrices) -> dict[str, Any]:
    return {
        "network": prices.network,
        "kinds": {kind: vars(terms) for kind, terms in prices.kinds.items()},
        "default": vars(prices.default) if prices.default else None,
        "table": prices.table,
        "error": vars(prices.error) if prices.error else None,
    }


def _print_terms(profile: LatencyProfile) -> None:
    if profile.loops:
        rows = table("kernel", f"~{profile.unit} per iteration of each loop")
        for kernel, each in profile.loops.items():
            rows.add_row(kernel, ", ".join(f"{loop} {float(amount):,.6g}" for loop, amount in each.items()))
        print_table(rows)
        return
    rows = table("operator", f">{profile.unit} per MAC", ">per output", ">per operator")
    named = [*profile.kinds.items(), *([("any other", profile.default)] if profile.default else [])]
    for kind, terms in named:
        rows.add_row(escape(kind), *(f"{float(x):,.6g}" if x else "-" for x in (terms.mac, terms.output, terms.op)))
    print_table(rows)
    out.print(f"and {float(profile.network):,.6g} {profile.unit} per network")
