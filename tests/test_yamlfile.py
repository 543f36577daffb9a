# ruff: noqa: E501 (messages stand as they are printed)
from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lungeval.errors import LungevalError
from lungeval.yamlfile import Document, expand, load, scan
from lungeval.yamlwords import Refused, read_word


def written(folder: Path, text: str | bytes, name: str = "p.yaml") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def faults(folder: Path, text: str | bytes) -> list[str]:
    """What is said of a file, with the folder's name taken off."""
    with pytest.raises(LungevalError) as caught:
        load(written(folder, text))
    assert {fault.code for fault in caught.value.faults()} == {"protocol"}
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults()]


def test_plain_data_and_positions(tmp_path: Path) -> None:
    text = "# a study\na: 1\nb:\n  - {name: x, k: 'no'}\n  - [1.5, true, null, ~]\nc: >\n  text\n"
    document = load(written(tmp_path, text))
    assert document.data == {"a": 1, "b": [{"name": "x", "k": "no"}, [1.5, True, None, None]], "c": "text\n"}
    assert document.position(("a",)) == (2, 4)
    assert document.position(("a",), key=True) == (2, 1)
    assert document.position(("b", 0, "k")) == (4, 18)
    assert document.position(("b", 0, "k"), key=True) == (4, 15)
    assert document.position(("b", 1, 0)) == (5, 6)
    assert document.position(("b", 1, "nowhere")) == (5, 5)
    assert document.position(("nowhere",)) == (2, 1)
    assert document.dotted(("b", 0, "k")) == "b.x.k"
    assert document.dotted(("b", 1, 0)) == "b[2][1]"
    assert document.lines[1] == "a: 1"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0), ("-7", -7), ("+5", 5), ("12", 12), ("0.10", 0.1), ("-.5", -0.5), ("5.", 5.0), ("1e-4", 1e-4),
        ("1E3", 1000.0), ("true", True), ("False", False), ("", None), ("~", None), ("null", None), ("nO", "nO"),
        ("x-ray", "x-ray"), ("1.2.3", "1.2.3"), ("-", "-"), (".", "."), ("e5", "e5"), ("+", "+"), ("nan", "nan"),
        ("a:b", "a:b"), ("10:x", "10:x"), ("2022", 2022),
    ],
)  # fmt: skip
def test_words_follow_yaml_1_2(text: str, value: object) -> None:
    found = read_word(text)
    assert found == value
    assert type(found) is type(value)


@given(st.integers(-(10**9), 10**9))
def test_every_integer_is_read_as_itself(number: int) -> None:
    assert read_word(str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e6, max_value=1e6))
def test_every_float_that_is_short_is_read_as_itself(number: float) -> None:
    found = read_word(repr(number))
    assert found == number or isinstance(found, Refused)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a: no", "a: `no` is read as false; write false, or 'no' in quotes if the word is meant"),
        ("a: Yes", "a: `Yes` is read as true; write true, or 'Yes' in quotes if the word is meant"),
        ("a: off", "a: `off` is read as false; write false, or 'off' in quotes if the word is meant"),
        ("a: y", "a: `y` is read as true; write true, or 'y' in quotes if the word is meant"),
        ("a: 007", "a: `007` loses its leading zeros; rewrite it without them, or write '007' in quotes if the text is meant"),
        ("a: 0o17", "a: `0o17` is read as an octal number; write the number in tens, or write '0o17' in quotes if the text is meant"),
        ("a: 0x1F", "a: `0x1F` is read as a hexadecimal number; write the number in tens, or write '0x1F' in quotes if the text is meant"),
        ("a: 0b11", "a: `0b11` is read as a binary number; write the number in tens, or write '0b11' in quotes if the text is meant"),
        ("a: 1_000", "a: `1_000` is read as a number; write it without underscores, or write '1_000' in quotes if the text is meant"),
        ("a: 12:30", "a: `12:30` is read as a number in base 60; write '12:30' in quotes if the text is meant"),
        ("a: 2022-11-01", "a: `2022-11-01` is read as a date; write '2022-11-01' in quotes if the text is meant"),
        ("a: .inf", "a: `.inf` is not a finite number; write a number, or write '.inf' in quotes if the text is meant"),
        ("a: .NaN", "a: `.NaN` is not a finite number; write a number, or write '.NaN' in quotes if the text is meant"),
        ("a: 1e999", "a: `1e999` is too large or too long a number; put it in quotes if the text is meant"),
        ("a: &x 5", "a: `&x`: anchors are not read here; remove it, and write the value out"),
        ("a: *x", "a: `*x`: aliases are not read here; write the value out"),
        ("a: !!str x", "a: `!!str`: tags are not read here; remove it, and put text in quotes"),
    ],
)  # fmt: skip
def test_surprising_words_are_refused(tmp_path: Path, line: str, said: str) -> None:
    assert faults(tmp_path, f"{line}\n") == [f"p.yaml:1:4: {said}"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a:\n\tb: 1\n", "2:1: a tab; indent with spaces"),
        ("a: @x\n", "1:4: a word cannot begin with '@'; put it in quotes"),
        ("a: `x`\n", "1:4: a word cannot begin with '`'; put it in quotes"),
        ("a: *\n", "1:5: a word cannot begin with '*' or '&'; put it in quotes"),
        ("a: !y!x 5\n", "1:4: a word cannot begin with '!'; put it in quotes"),
        ("a: }\n", "1:4: a word cannot begin with '}'; put it in quotes"),
        ("a: ? x\n", "1:4: a word cannot begin with '?'; put it in quotes"),
        ("title: Study: a trial\n", "1:13: a colon in the middle of a value; put text that has a colon in quotes"),
        ("a: 1\n  b: 2\n", "2:3: indented as if it went on with the line above; give the keys of a block the same indentation"),
        ("a:\n    b: 1\n  c: 2\n", "3:3: does not fit the block that began on line 1; give the keys of a block the same indentation"),
        ("a: 'x' y\n", "1:8: text after the end of the value; put the whole value in quotes"),
        ("a: > x\n  y\n", "1:6: text after `|` or `>`; begin it on the next line, or use quotes"),
        ("a: - b\n", "1:4: an item of a list in the wrong place; begin each item on its own line"),
        ("a: 1\nfoo\nb: 2\n", "3:1: a line without a colon; write `key: value`"),
        ("a: [1, 2\nb: 3\n", "2:2: the bracket opened on line 1 is not closed, or a comma is missing; add `,` or `]`"),
        ("a: {x: 1\nb: 3\n", "2:2: the bracket opened on line 1 is not closed, or a comma is missing; add `,` or `}`"),
        ("a: 1\nb: 'it\nc: 3\n", "2:4: this quote is never closed; close it"),
        ('a: "C:\\data"\n', "1:8: a backslash in double quotes; use single quotes, or double it"),
        ("%YAML 3.0\n---\na: 1\n", "1:1: found incompatible YAML document (version 1.* is required); check the quotes, brackets and indentation here"),
        ("a: 1\nb: \x07\n", "2:4: the character U+0007 cannot stand in a YAML file; remove it"),
        ("a: 1\n---\nb: 2\n", "2:1: a second YAML document begins here; one file is one protocol or one generator: remove the `---` or split the file"),
        ("seed: 1\nname: x\nseed: 2\n", "3:1: seed: given twice, first on line 1; keep one of them"),
        ("a: {x: 1, x: 2}\n", "1:11: a.x: given twice, first on the same line; keep one of them"),
        ("1: a\n", "1:1: the key `1` is not a word; write '1' in quotes"),
        ("on: a\n", "1:1: `on` is read as true; write true, or 'on' in quotes if the word is meant"),
        ("b: {<<: {a: 1}}\n", "1:5: b: `<<`: merge keys are not read here; write the keys out"),
        ("? [a, b]\n: 1\n", "1:3: a key must be one word; put it in quotes if the characters are meant"),
        ("a: {&x b: 1}\n", "1:5: a: a key with an anchor, alias or tag; write the word itself"),
        ("a:\n  b: 1\n  : 2\n", "3:3: no key before the colon; give it a name"),
        ("a: {? : 1}\n", "1:6: a: no key before the colon; give it a name"),
        ("[" * 100, "1:42: nested more than 40 deep; is it the right file?"),
    ],
)  # fmt: skip
def test_faults_have_their_place_and_a_remedy(tmp_path: Path, text: str, said: str) -> None:
    assert faults(tmp_path, text) == [f"p.yaml:{said}"]


def test_all_faults_of_a_file_come_at_once_and_name_the_entry(tmp_path: Path) -> None:
    assert faults(tmp_path, "readers:\n  - {id: r1, kind: no}\n  - {id: 007}\nreaders: []\n") == [
        "p.yaml:2:20: readers.r1.kind: `no` is read as false; write false, or 'no' in quotes if the word is meant",
        "p.yaml:3:10: readers[2].id: `007` loses its leading zeros; rewrite it without them, or write '007' in quotes if "
        "the text is meant",
        "p.yaml:4:1: readers: given twice, first on line 1; keep one of them",
    ]


def test_many_faults_are_counted(tmp_path: Path) -> None:
    said = faults(tmp_path, "a: [" + "no, " * 50 + "]")
    assert len(said) == 21
    assert said[-1] == "and 30 more faults; mend these first"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "p.yaml: empty file; `lungeval init` writes one to start from"),
        (b"# only a comment\n", "p.yaml: empty file; `lungeval init` writes one to start from"),
        (b"null\n", "p.yaml: empty file; `lungeval init` writes one to start from"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "p.yaml: not a text file; give a YAML file, saved as UTF-8"),
        ("a: 1\n".encode("utf-16"), "p.yaml: not a text file; give a YAML file, saved as UTF-8"),
        ("a: 1\nb: fièvre\n".encode("latin-1"), "p.yaml:2:6: not UTF-8: the byte 0xE8; save the file as UTF-8"),
        (b"a: 1\n" * 2_000_001, "p.yaml: 10.0 MB, more than the 1 MB that a protocol or generator file may have; is it the right file?"),
    ],
)  # fmt: skip
def test_files_that_are_no_yaml(tmp_path: Path, content: bytes, said: str) -> None:
    assert faults(tmp_path, content) == [said]


def test_a_bomb_of_aliases_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a: &a [lol]"] + [
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    assert faults(tmp_path, "\n".join(lines))[0] == (
        "p.yaml:1:4: a: `&a`: anchors are not read here; remove it, and write the value out"
    )


@pytest.mark.parametrize("text", ["[" * 400_000, "{" * 400_000, "- " * 200_000, "? " * 200_000, "a: [{b: " * 50_000])
def test_deep_nesting_takes_no_time(tmp_path: Path, text: str) -> None:
    started = time.process_time()
    faults(tmp_path, text)
    assert time.process_time() - started < 2


def test_long_words_take_no_time(tmp_path: Path) -> None:
    assert load(written(tmp_path, "a: 1" + "_" * 400_000 + "x\n")).data["a"].endswith("_x")
    assert faults(tmp_path, "a: " + "1" * 100_000) == [
        f"p.yaml:1:4: a: `{'1' * 40}` is too large or too long a number; put it in quotes if the text is meant"
    ]


def test_a_file_that_is_not_there_suggests_its_neighbours(tmp_path: Path) -> None:
    written(tmp_path, "a: 1", "demo.yaml")
    for name, remedy in (("dmo.yaml", "did you mean 'demo.yaml'?"), ("zzz.yaml", "there are: demo.yaml")):
        with pytest.raises(LungevalError) as caught:
            load(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name}: no such file; {remedy}"
    with pytest.raises(LungevalError, match="no such file; there is no YAML file in"):
        load(tmp_path / "nowhere" / "x.yaml")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    written(tmp_path, "a: 1", "demo.yaml")
    with pytest.raises(LungevalError) as caught:
        load(tmp_path)
    assert str(caught.value) == f"{tmp_path}: a folder, not a file; give one of the files in it: demo.yaml"


def test_windows_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    document = load(written(tmp_path, b"\xef\xbb\xbfa: 1\r\nb: 'x'\r\n"))
    assert document.data == {"a": 1, "b": "x"}
    assert document.position(("a",)) == (1, 4)
    assert document.position(("b",)) == (2, 4)
    assert document.lines[:2] == ["a: 1", "b: 'x'"]


def test_scan_goes_on_where_it_can(tmp_path: Path) -> None:
    document, found = scan(written(tmp_path, "a: no\nb:\nc: 1.10\n"))
    assert isinstance(document, Document)
    assert document.data == {"a": None, "b": None, "c": 1.1}
    assert document.refused == {("a",)}
    assert document.empty == {("b",)}
    assert document.texts[("c",)] == "1.10"
    assert len(found) == 1


def test_paths_expand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    monkeypatch.setenv("LUNGS", "/data/lungs")
    monkeypatch.delenv("UNSET", raising=False)
    assert expand("images", tmp_path) == tmp_path / "images"
    assert expand("../x", tmp_path) == tmp_path / "../x"
    assert expand("~/x", tmp_path) == Path("/home/anna/x")
    assert expand("${LUNGS}/real", tmp_path) == Path("/data/lungs/real")
    assert expand("$LUNGS/real", tmp_path) == tmp_path / "$LUNGS/real"
    assert expand("/a/b", tmp_path) == Path("/a/b")
    with pytest.raises(LungevalError) as caught:
        expand("${UNSET}/real", tmp_path, where="p.yaml:3:9")
    assert str(caught.value) == (
        "p.yaml:3:9: the path '${UNSET}/real' needs the environment variable UNSET, which is not set; "
        "set it, as in `export UNSET=/data/lungs`, or write the path itself"
    )
    with pytest.raises(LungevalError, match="the path is empty; give a path, or remove the line"):
        expand(" ", tmp_path)
    with pytest.raises(LungevalError, match="needs the home folder of a user unknown here; write the path itself"):
        expand("~no-such-user-here/x", tmp_path)
