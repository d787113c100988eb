"""The YAML reader: YAML 1.2, positions, and every file that must be refused."""
# ruff: noqa: E501 - messages are easier to compare whole

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.errors import Diagnostic, SpaceError
from spaces.language.source import MAX_BYTES, read_yaml


def complaints(text: str) -> list[str]:
    with pytest.raises(SpaceError) as caught:
        read_yaml(text, "x.yaml")
    return [f"{d.span} {d.code}: {d.message}; {d.hint}" for d in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("NO", "NO"),
        ("12:30", "12:30"),
        ("2024-01-02", "2024-01-02"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1_000", 1000),
        ("-3", -3),
        ("1e3", 1000.0),
        ("0.25", 0.25),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("'3'", "3"),
        ("[1, a, {b: 2.5}]", [1, "a", {"b": 2.5}]),
        ("%YAML 1.1\n---\non", "on"),
    ],
)
def test_scalars_are_yaml_1_2(text: str, value: object) -> None:
    data = read_yaml(text, "x.yaml").data
    assert (data, type(data)) == (value, type(value))


TEXT = """\
a: 1
bb:
  - cc: [10, 200]
    "d d": x y
e: |
  two
  lines
"""


@pytest.mark.parametrize(
    ("path", "key", "place", "marked"),
    [
        (("a",), False, "x.yaml:1:4", "1"),
        (("a",), True, "x.yaml:1:1", "a"),
        (("bb", 0, "cc"), True, "x.yaml:3:5", "cc"),
        (("bb", 0, "cc"), False, "x.yaml:3:9", "[10, 200]"),
        (("bb", 0, "cc", 1), False, "x.yaml:3:14", "200"),
        (("bb", 0, "d d"), True, "x.yaml:4:5", '"d d"'),
        (("bb", 0, "d d"), False, "x.yaml:4:12", "x y"),
        (("e",), False, "x.yaml:5:4", "|"),
        (("bb", 0, "cc", 7), False, "x.yaml:3:5", "cc"),
        (("nowhere", "at", "all"), False, "x.yaml:1:1", "a: 1"),
    ],
)
def test_positions(path: tuple[str | int, ...], key: bool, place: str, marked: str) -> None:
    span = read_yaml(TEXT, "x.yaml").span(path, key)
    assert str(span) == place
    assert span.text[span.column - 1 : span.column - 1 + span.length] == marked


def test_positions_after_other_line_breaks() -> None:
    span = read_yaml("a: 1\r\nb: 2\rc: 'x\u2028y'\nd: 4\n", "x.yaml").span(("d",))
    assert (str(span), span.text) == ("x.yaml:4:4", "d: 4")


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\u2029"])
@pytest.mark.parametrize(
    "text", ["a: |\n  x{}y\n  z\nb: 1\n", "# x{}y\nb: 1\n", "a: x{} y\nb: 1\n", 'a: "x{} y"\nb: 1\n']
)
def test_what_broke_lines_in_yaml_1_1_is_a_character_like_others(text: str, character: str) -> None:
    expected = read_yaml(text.format("\u00e4"), "x.yaml")
    found = read_yaml(text.format(character), "x.yaml")
    assert found.data == {k: str(v).replace("\u00e4", character) if k == "a" else v for k, v in expected.data.items()}
    assert str(found.span(("b",))) == str(expected.span(("b",)))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3:1 duplicate-key: the key `a` is given twice; it is first given at line 1; keep one of the two"),
        ("a:\n\tb: 1\n", "x.yaml:2:1 tab: a tab character in the indentation; indent with spaces"),
        ("1: a\n", "x.yaml:1:1 key-not-text: a key must be a word; put the key in quotes if it is meant"),
        ("[1]: a\n", "x.yaml:1:1 key-not-text: a key must be a word; put the key in quotes if it is meant"),
        ("a: !!python/object:os.system x\n", "x.yaml:1:4 custom-tag: the tag `tag:yaml.org,2002:python/object:os.system` is not supported; write a plain value"),
        ("a: !mine [1]\n", "x.yaml:1:4 custom-tag: the tag `!mine` is not supported; write a plain value"),
        ("a: !!set {b, c}\n", "x.yaml:1:4 custom-tag: the tag `tag:yaml.org,2002:set` is not supported; write a plain value"),
        ("a: .inf\n", "x.yaml:1:4 bad-number: `.inf` is not a number here; write it in decimal digits"),
        ("a: .NaN\n", "x.yaml:1:4 bad-number: `.NaN` is not a number here; write it in decimal digits"),
        ("a: 1e999\n", "x.yaml:1:4 bad-number: `1e999` is not a number here; write it in decimal digits"),
        ("a: 0b101\n", "x.yaml:1:4 bad-number: `0b101` is not a number here; write it in decimal digits"),
        ("a: !!int foo\n", "x.yaml:1:4 bad-number: `foo` is not a number here; write it in decimal digits"),
        (f"a: {'9' * 41}\n", "x.yaml:1:4 number-too-long: a number of 41 characters; use a smaller number"),
        ("a: &x [*x]\n", "x.yaml:1:4 alias-bomb: the aliases (`*name`) of this file unfold without end; write the values out"),
    ],
)  # fmt: skip
def test_refused(text: str, complaint: str) -> None:
    assert complaints(text) == [complaint]


@pytest.mark.parametrize("text", ["a: [1, 2", "a: 'x", "a: b: c", "a: *nowhere", "a: 1\n---\nb: 2\n", "{", "a: \0"])
def test_syntax_errors_have_a_place(text: str) -> None:
    (complaint,) = complaints(text)
    assert complaint.startswith("x.yaml:")
    assert " yaml-syntax: not valid YAML: " in complaint


def test_all_mistakes_at_once() -> None:
    found = complaints("a: 1\na: 2\nb: .inf\nc: !x 1\n")
    assert [c.split(":")[1] for c in found] == ["2", "3", "4"]


def test_alias_bomb_is_refused_before_it_unfolds() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 12)]
    start = perf_counter()
    (complaint,) = complaints("\n".join(lines))
    assert "alias-bomb" in complaint
    assert perf_counter() - start < 10


def test_large_files_are_refused_unread() -> None:
    start = perf_counter()
    assert complaints("a: " + "x" * 10_000_000) == [
        f"x.yaml:1:1 file-too-large: the file has 10,000,003 bytes; a YAML file of nascompile has at most {MAX_BYTES:,}; "
        "is this the right file?"
    ]
    assert perf_counter() - start < 1


@pytest.mark.parametrize("depth", [60, 105, 500])
def test_deep_nesting(depth: int) -> None:
    if depth == 60:
        assert read_yaml("[" * depth + "]" * depth, "x.yaml").data != []
    else:
        assert "too-deep" in complaints("[" * depth + "]" * depth)[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text("ab c-#:'\"é\u20ac", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(JSON)
def test_reads_what_others_write(data: object) -> None:
    import json

    assert read_yaml(json.dumps(data), "x.yaml").data == data


@given(st.text(st.characters(max_codepoint=255), max_size=60) | st.text("ab:- \n[]{}&*!'\"|>%#,?\t", max_size=60))
def test_any_text_gives_data_or_a_diagnostic(text: str) -> None:
    found: tuple[Diagnostic, ...] = ()
    try:
        read_yaml(text, "x.yaml")
    except SpaceError as error:
        found = error.diagnostics
    assert all(d.span for d in found)


def test_every_library_file_reads(tmp_path: Path) -> None:
    from spaces.language.library import library

    for path in library().values():
        assert read_yaml(path.read_text(encoding="utf-8"), path.name).data["space"] == path.stem
