"""Documents: extension, overrides, and the canonical text."""
# ruff: noqa: E501 - messages are easier to compare whole

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spaces.errors import SpaceError
from spaces.language.reader import load_space, read_space
from spaces.language.space import Space
from spaces.program.compile import compile_space
from tests.strategies import small_spaces

BASE = """\
space: base
input: {channels: 4}
bias: true
choices:
  M: {start: 8, stop: 24, step: 8}
  N: [1, 2]
network:
  - linear: {units: M}
  - linear: {units: N}
constraints:
  - M[1] >= 16
"""


def save(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def complaint(*overrides: str, text: str = BASE, folder: Path | None = None) -> str:
    with pytest.raises(SpaceError) as caught:
        read_space(text, "base.yaml", overrides, folder)
    (d,) = caught.value.diagnostics
    return f"{d.span}: {d.message} [{d.code}] {d.hint}"


def sizes(space: Space) -> dict[str, int]:
    return {name: len(choice.options) for name, choice in space.choices.items()}


def test_extension_merges_mappings_and_replaces_the_rest(tmp_path: Path) -> None:
    save(tmp_path, base=BASE)
    text = "space: wide\nextends: base.yaml\nbias: null\nchoices:\n  M: {step: 4}\n  N: [1, 2, 3]\nconstraints: []\n"
    space = read_space(text, folder=tmp_path)
    assert (space.name, sizes(space), space.constraints) == ("wide", {"M": 5, "N": 3}, ())
    assert not space.settings.bias
    assert [spec.block.name for spec in space.network] == ["linear", "linear"]  # type: ignore[union-attr]


def test_extension_of_an_extension_of_a_library_space(tmp_path: Path) -> None:
    save(tmp_path, a="space: a\nextends: dscnn\nchoices: {M: {step: 56}}\n", b="extends: a.yaml\nspace: b\n")
    space = load_space(tmp_path / "b.yaml")
    assert (space.name, space.choices["M"].options) == ("b", (84, 140, 196, 252))
    assert compile_space(space).size == 4**6 + 4**7 + 4**8


def test_a_mistake_in_the_base_is_shown_there(tmp_path: Path) -> None:
    save(tmp_path, base=BASE.replace("units: N", "unit: N"))
    with pytest.raises(SpaceError) as caught:
        read_space("space: x\nextends: base.yaml\n", folder=tmp_path)
    assert str(caught.value.diagnostics[0].span) == f"{tmp_path / 'base.yaml'}:9:14"


def test_circles(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    save(tmp_path, a="space: a\nextends: inner/b.yaml\n", self="space: s\nextends: self.yaml\n")
    save(inner, b="space: b\nextends: ../inner/../a.yaml\n")
    for name in ("a", "self"):
        with pytest.raises(SpaceError) as caught:
            load_space(tmp_path / f"{name}.yaml")
        (d,) = caught.value.diagnostics
        assert (d.code, d.message.endswith("extends itself")) == ("circular-extends", True)


@pytest.mark.parametrize(
    ("extends", "expected"),
    [
        ("dscn", "base.yaml:2:10: there is no space `dscn` [unknown-space] did you mean `dscnn`?; `nascompile spaces` lists the library"),
        ("[a]", 'base.yaml:2:10: `extends`: input should be a valid string, not ["a"] [wrong-type] '),
    ],
)  # fmt: skip
def test_bad_extension(extends: str, expected: str) -> None:
    assert complaint(text=BASE.replace("bias: true", "").replace("\n", f"\nextends: {extends}\n", 1)) == expected


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["choices.M.step=16"], {"M": 2, "N": 2}),
        (["choices.M.step=16", "choices.M.stop=40"], {"M": 3, "N": 2}),
        (["choices.M=[16]"], {"M": 1, "N": 2}),
        (["choices.N={start: 1, stop: 9}"], {"M": 3, "N": 9}),
        (["choices.N.0=5"], {"M": 3, "N": 2}),
        (["network.1.linear.units=3", "choices={M: [16, 24]}"], {"M": 2}),
        (["network=[{linear: {units: N}}]", "choices={N: [1]}", "constraints=[]"], {"N": 1}),
    ],
)
def test_overrides(overrides: list[str], expected: dict[str, int]) -> None:
    assert sizes(read_space(BASE, overrides=overrides)) == expected


def test_an_override_of_a_choice_that_nobody_wrote_down() -> None:
    text = "space: s\ninput: {channels: 2}\nnetwork:\n  - switch: a\n    cases: {x: [relu], y: [linear: {units: 3}]}\n"
    assert sizes(read_space(text)) == {"a": 2}
    assert sizes(read_space(text, overrides=["choices.a={options: [x], shared: true}"])) == {"a": 1}


def test_override_adds_a_key() -> None:
    space = read_space(BASE, overrides=["ram_model=liveness", "count_activations=true", "bias=false"])
    assert space.ram_model == "liveness"
    assert (space.settings.count_activations, space.settings.bias) == (True, False)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("choices.M.step", "override:1:1: `choices.M.step` is not an override [bad-override] write `key.path=value`: `choices.M.step=56`"),
        ("=3", "override:1:1: `=3` is not an override [bad-override] write `key.path=value`: `choices.M.step=56`"),
        ("choices.Q.step=3", "override:1:1: there is no `choices.Q` to override [bad-override] known: M, N"),
        ("choises.M=3", "override:1:1: there is no `choises` to override [bad-override] did you mean `choices`?"),
        ("network.5=flatten", "override:1:1: there is no `network.5` to override [bad-override] known: 0, 1"),
        ("network.x=flatten", "override:1:1: there is no `network.x` to override [bad-override] known: 0, 1"),
        ("bias.x=3", "override:1:1: `bias.x` cannot be set: `bias` is a single value [bad-override] override the value itself"),
        ("bias.x.y=3", "override:1:1: there is no `bias.x` to override [bad-override] override the value itself"),
        ("nonsense=3", "override:1:1: unknown key `nonsense` [unknown-key] known: batch_norm, bias, cells, choices, constraints, count_activations, doc, dtype, extends, input, network, ram_model, space, thin"),
        ("bias=", "override:1:1: `bias`: input should be a valid boolean, not null [wrong-type] "),
        ("choices.M.step=0", "override:1:1: the step is 0 [bad-step] a step is greater than 0"),
        ("choices.M={start: 9, stop: 1}", "override:1:1: the range stops at 1, before its start 9 [bad-range] a range is inclusive and goes up"),
        ("extends=dscnn", "override:1:1: `extends` cannot be overridden [bad-override] name the other space, or write a file that extends it"),
        ("network.0.linear.units=V", "override:1:1: unknown name `V` in `V` [unknown-name] known: M, N"),
    ],
)  # fmt: skip
def test_bad_override(override: str, expected: str) -> None:
    assert complaint(override) == expected


def test_an_override_is_yaml() -> None:
    assert "not valid YAML" in complaint("choices.M=[")


@pytest.mark.parametrize("text", ["", "3", "- 1", "a"])
def test_overrides_of_what_is_no_mapping(text: str) -> None:
    with pytest.raises(SpaceError):
        read_space(text, overrides=["choices.M=3"])


def test_text_is_the_same_however_it_is_written() -> None:
    short = read_space(BASE, overrides=["choices.M.step=4"])
    long = read_space(BASE.replace("step: 8", "step: 0x4").replace("[1, 2]", "\n    - 1\n    - 2"))
    assert short.text == long.text != read_space(BASE).text


@given(st.text(st.sampled_from("ab \n\t\x00\x1b\x7f\x85\xa0\u2028\u2029\ufeff\ufffe\U0001f600\\\"'"), max_size=8))
@example("a\u2028b")
@example(" \u2028 \n b")
def test_any_doc_is_the_same_when_the_space_is_read_again(doc: str) -> None:
    escaped = "".join(f"\\U{ord(character):08x}" for character in doc)
    space = read_space(f'space: s\ndoc: "{escaped}"\ninput: {{channels: 1}}\nnetwork: [flatten]\n')
    assert space.doc == doc
    assert read_space(space.text).doc == doc
    assert read_space(space.document.dump()).doc == doc


@given(small_spaces())
def test_the_dump_loads_back(text: str) -> None:
    space = read_space(text)
    again = read_space(space.document.dump())
    assert again.text == space.text
    assert again.choices.keys() == space.choices.keys()
    assert [c.options for c in again.choices.values()] == [c.options for c in space.choices.values()]
