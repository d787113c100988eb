"""The report on a reduced space: what `reduce` and `show` print, as data and as text."""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from nascompile.cli.counts import between_text, count_data, estimate_text
from nascompile.cli.output import out, share, span_text, table, two_digits
from nascompile.cli.shipped import shipped_data, shipped_text
from nascompile.cli.tables import print_table
from solvers.attribution import RELATIONS, counts_alone
from solvers.sets.relaxed_set import AnySet, Estimate, RelaxedSet
from spaces.language.layer import option_label
from spaces.program.graph import Program
from spaces.runtimes.library import RUNTIMES
from spaces.targets.target import Target
from spaces.units import FORMATS, format_bytes, format_count

if TYPE_CHECKING:
    from spaces.costs.latency import LatencyProfile

__all__ = [
    "energy_text", "print_profile", "print_report", "profile_data", "profile_text", "report", "runtime_name",
]  # fmt: skip


def report(fs: AnySet, attribute: bool = True, target: Target | None = None) -> dict[str, Any]:
    """All that a reduction found, as plain data.

    Args:
        fs: the set.
        attribute: whether to count what each limit alone removes, and functions.
        target: its chip; that which its program names by default.
    """
    program = fs.program
    low, high = fs.between
    data: dict[str, Any] = {
        "space": program.space.name,
        "target": program.target or None,
        "budgets": dict(program.budgets.items()),
        "ram_model": program.ram_model,
        "runtime": runtime_name(program),
        "dtype": program.space.settings.dtype,
        "ships": shipped_data(program, target) if not fs.origin else None,
        "size": program.size,
        **count_data(low, high),
        **({"share": low / program.size} if low == high else {}),
        "exact": low == high,
        "engine": fs.engine or None,
        "seconds": fs.seconds,
        "origin": fs.origin or None,
        "variants": [_variant(fs, v) for v in range(len(program.variants))],
        "tree": {"nodes": fs.node_count, "bytes": fs.nbytes},
        "digest": fs.digest,
    }
    if program.latency:
        data["latency_profile"] = profile_data(program.latency)
    if isinstance(fs, RelaxedSet):
        about = {"quanta": fs.quanta, "left_out": fs.left_out, "text": fs.rounding}
        return data | {"relaxed": about, "count_estimate": asdict(fs.estimate())}
    if attribute and not fs.origin:
        exact = None if any(chain.residual for chain in program.chains) else fs.size
        data["limits"] = [_limit(program, name, count) for name, count in counts_alone(program, exact).items()]
    if attribute and program.space.cells:
        from nascompile.cli.cells import function_counts

        if functions := function_counts(fs):
            data["functions"] = functions
    return data


def profile_data(profile: LatencyProfile) -> dict[str, Any]:
    """Where latencies come from and how wrong they are, as plain data."""
    stated = asdict(profile.error) if profile.error else None
    about = {"runtime": profile.runtime, "version": profile.version, "core": profile.core, "boards": profile.boards}
    guessed = list(profile.guessed)
    energy = {"error": asdict(profile.energy.error) if profile.energy.error else None} if profile.energy else None
    return {
        "name": profile.name, "source": profile.source, "unit": profile.unit, "error": stated, **about,
        "guessed": guessed, "energy": energy,
    }  # fmt: skip


def profile_text(data: dict[str, Any]) -> str:
    """The same in words: latencies are estimates, and of this kind."""
    counted = data["unit"] in ("instructions", "estimated cycles")
    what = "operators" if counted else "networks"
    wrong = _error_text(data["error"], what)
    if data["unit"] == "instructions":
        wrong += " in instructions, each taken as one cycle of this clock, which it is not"
    elif counted:
        wrong += " in estimated cycles, no wait states"
    moved = ", its cycles taken at this clock" if "@" in data["name"] and not counted else ""
    ran = " ".join(filter(None, (data["runtime"], data["version"]))) if not counted else ""
    ran = f" (of {ran} on {data['boards']} board{'s' * (data['boards'] != 1)})" if ran and data["boards"] else ""
    kinds = [kind for kind in data["guessed"] if kind != "default"]
    kinds += ["all others"] if "default" in data["guessed"] else []
    guessed = f"; guesses for want of measurements: {', '.join(kinds)}" if kinds else ""
    return f"latencies are estimates by the profile {data['name']}{ran}: {wrong}{moved}{guessed}"


def print_profile(data: dict[str, Any], indent: str = "") -> None:
    """Where latencies, and energies where there are any, come from."""
    out.print(indent + escape(profile_text(data)))
    if data["energy"]:
        out.print(indent + escape(energy_text(data)))


def energy_text(data: dict[str, Any]) -> str:
    """Of which kind its energies are."""
    return f"energies are estimates by the profile {data['name']}: {_error_text(data['energy']['error'], 'networks')}"


def _error_text(error: dict[str, Any] | None, what: str) -> str:
    if error is None:
        return "no stated error"
    return f"median error {two_digits(error['median'])} % of {error['rows']} held-out {what}"


def _variant(fs: AnySet, position: int) -> dict[str, Any]:
    variant, outer = fs.program.variants[position], fs.outer
    count = outer.counts[variant.label]
    least = fs.counts_between[variant.label][0] if isinstance(fs, RelaxedSet) else count
    # Numbers by their least and largest, everything else by the options in use; of a relaxed set, at most these.
    numeric = {d.label: d.numeric for d in variant.decisions}
    ranges = {
        label: [min(used), max(used)] if numeric[label] else used
        for label, used in outer.used(variant.label).items()
        if used
    }
    return {
        "variant": variant.label,
        "depth": variant.depth,
        "size": variant.size,
        **count_data(least, count),
        # Of a set with members no table is made for it.
        "impossible": (fs.program.chains[position].impossible or None) if not count else None,
        "ranges": {label: [_value(option) for option in options] for label, options in ranges.items()},
    }


def _value(option: Any) -> Any:
    if isinstance(option, Fraction):
        return float(option)
    return option if isinstance(option, int | str | bool) else option_label(option)


def _range_text(options: list[Any]) -> str:
    texts = dict.fromkeys(f"{o:g}" if isinstance(o, float) else option_label(o) for o in options)
    numeric = all(isinstance(o, int | float) and not isinstance(o, bool) for o in options)
    return (".." if numeric else "|").join(texts)


def _limit(program: Program, name: str, count: int | None) -> dict[str, Any]:
    budget = dict(program.budgets.items()).get(name)
    removes = None if count is None else program.size - count
    return {"limit": name, "budget": budget, "alone_keeps": count, "alone_removes": removes}


def print_report(data: dict[str, Any]) -> None:
    """The report for a person."""
    print_head(data)
    if data.get("latency_profile"):
        print_profile(data["latency_profile"])
    if data.get("functions"):
        from nascompile.cli.cells import print_function_counts

        print_function_counts(data["functions"])
    out.print()
    wide = "~reduced ranges, at the most" if "relaxed" in data else "~reduced ranges"
    depths = table("variant", ">networks", ">feasible", ">share", wide)
    rows = _by_depth(data["variants"])
    for row in rows:
        ranges = span_text({label: _range_text(options) for label, options in row["ranges"].items()})
        reason = escape(f"none: {row['impossible']}" if row["impossible"] else ranges or "none fits")
        label = row["variant"] or "-"
        depths.add_row(label, f"{row['size']:,}", between_text(*_ends(row)), _share(row), reason)
    print_table(depths)
    if len(rows) < len(data["variants"]):
        out.print(f"{len(data['variants'])} variants, by their number of layers; --json lists each")
    if data.get("limits"):
        out.print()
        print_limits(data)


#: Variants that a table lists one by one, at most.
_MANY = 24


def _by_depth(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The variants of a table; where they are many, those of one depth together, with the ranges of all of them."""
    if len(rows) <= _MANY:
        return rows
    groups: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["depth"], []).append(row)
    result: list[dict[str, Any]] = []
    for depth, some in sorted(groups.items()):
        ranges: dict[str, list[Any]] = {}
        for label, options in (pair for row in some for pair in row["ranges"].items()):
            ranges.setdefault(label, []).extend(options)
        low, high = (sum(ends) for ends in zip(*map(_ends, some), strict=True))
        result.append({
            "variant": f"{len(some)} of {depth} layers", "size": sum(row["size"] for row in some),
            **count_data(low, high), "impossible": some[0]["impossible"] if len(some) == 1 else None,
            "ranges": {label: _ends_of(options) for label, options in ranges.items()},
        })  # fmt: skip
    return result


def _ends_of(options: list[Any]) -> list[Any]:
    """The least and the largest of numbers; other options once each."""
    numeric = all(isinstance(o, int | float) and not isinstance(o, bool) for o in options)
    return [min(options), max(options)] if numeric else list(dict.fromkeys(options))


def print_head(data: dict[str, Any]) -> None:
    """What was reduced, and the exact counts."""
    target = f" on {data['target']}" if data["target"] else ""
    limits = escape(data["origin"] or "") or budget_text(data["budgets"], data["ram_model"], data["runtime"])
    out.print(f"[bold]{data['space']}[/bold]{target}: {limits}", soft_wrap=True)
    out.print(f"counting {data['dtype']} networks by {data['runtime']}")
    width = len(f"{data['size']:,}")
    out.print(f"|X|   = {data['size']:>{width},}  networks in the space")
    low, high = _ends(data)
    if low == high:
        engine = _engine(data["engine"])
        out.print(f"|X^f| = {low:>{width},}  feasible, exactly ({_share(data)}){engine and ', '}{engine}")
        _print_shipped(data, width + 8)
        return
    out.print(f"|X^f|: {between_text(low, high)} feasible ({_share(data)})", soft_wrap=True)
    out.print(f"       {estimate_text(Estimate(**data['count_estimate']))}", soft_wrap=True)
    out.print(f"the set is relaxed: {escape(data['relaxed']['text'])}", soft_wrap=True)
    _print_shipped(data, 0)


def _print_shipped(data: dict[str, Any], width: int) -> None:
    """How many networks fit as they ship, where that is something else; the number ends at a column."""
    shipped = data["ships"]
    if shipped and shipped["count"] is not None and data["budgets"]:
        number, _, rest = shipped_text(shipped, data["size"]).partition(" ")
        out.print(f"{number:>{width}}  fit {rest}: `search` takes these")


def _ends(data: dict[str, Any]) -> tuple[int, int]:
    """The least and the largest that a count can be."""
    count = data["count"]
    return (data["count_at_least"], data["count_at_most"]) if count is None else (count, count)


def _share(data: dict[str, Any]) -> str:
    """The share of what there is."""
    low, high = (share(end, data["size"]) for end in _ends(data))
    return low if low == high else f"{low} to {high}"


def runtime_name(program: Program) -> str:
    """What gives the ROM."""
    return program.runtime.name


def budget_text(budgets: dict[str, int], ram_model: str, runtime: str) -> str:
    """The budgets in words."""
    rom = f"ROM ({runtime})" if RUNTIMES[runtime].shares_code else "ROM"
    names = {"ram": f"RAM ({ram_model})", "rom": rom, "flops": "FLOPs", "macs": "MACs", "params": "parameters"}
    forms = {"rom": format_bytes, "ram": format_bytes, **FORMATS}
    parts = [f"{names.get(name, name)} <= {forms.get(name, format_count)(value)}" for name, value in budgets.items()]
    return ", ".join(parts) or "no budgets"


def print_limits(data: dict[str, Any]) -> None:
    """How many networks each limit alone removes."""
    # Relations and shapes are part of the compiled graph, so every other limit is counted together with them.
    related = any(row["limit"] == RELATIONS for row in data["limits"])
    title = "constraints and one limit" if related else "one limit alone"
    rows = table(f"~{title}", ">budget", ">keeps", ">removes", ">share removed")
    for row in data["limits"]:
        form = FORMATS.get(row["limit"], "{:,}".format)
        budget = "" if row["budget"] is None else form(row["budget"])
        name = "constraints, shapes alone" if row["limit"] == RELATIONS else escape(row["limit"])
        if row["alone_keeps"] is None:
            rows.add_row(name, budget, "not counted", "", "")
            continue
        removes = row["alone_removes"]
        rows.add_row(name, budget, f"{row['alone_keeps']:,}", f"{removes:,}", share(removes, data["size"]))
    print_table(rows)


def _engine(name: str) -> str:
    words = {"diagram": "by decision diagram", "cp-sat": "by CP-SAT", "exhaustive": "by brute force"}
    return {**words, "relaxed": "by decision diagrams of rounded costs"}.get(name or "", name or "")
