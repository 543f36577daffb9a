"""Leaks that hide in words which differ from file to file, and in parts of a file that are always there."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from lungeval.auditing import Comparison, Sample, audit
from lungeval.auditing.containers import jpeg_facts, png_facts
from lungeval.auditing.merging import OTHER, merged
from lungeval.auditing.names import words
from lungeval.auditing.table import table

SURNAMES = [a + b for a in ("bar", "gar", "her", "mil", "rod", "wil") for b in ("th", "es", "wn", "ier", "ano")]


def fired(fact: str, real: list[str], fake: list[str], **columns: tuple[str, ...]) -> set[str]:
    real_sample = Sample("real", "xray", tuple(map(str, range(len(real)))), {"before": {fact: real}}, **columns)
    fake_sample = Sample("g", "xray", tuple(map(str, range(len(fake)))), {"before": {fact: fake}})
    return {row.fact for row in audit([Comparison(real_sample, fake_sample)]).firing()}


def alone(values: list[str]) -> list[list[int]]:
    return [[i] for i in range(len(values))]


def test_a_word_of_the_truth_beside_a_surname_is_found() -> None:
    real, fake = ([words(f"{name}_{truth}.png") for name in SURNAMES[k::2]] for k, truth in ((0, "real"), (1, "fake")))
    assert len({*real, *fake}) == len(SURNAMES)
    assert fired("name_words", real, fake) == {"name_words"}
    assert fired("name_words", real, real) == set()


@pytest.mark.parametrize(("real", "fake"), [("r", "f"), ("0", "1"), ("", "b")])
def test_one_character_at_the_end_of_a_name_is_found(real: str, fake: str) -> None:
    arms = [[words(f"{1000 + 7 * i}_{end}.png") for i in range(15)] for end in (real, fake)]
    assert fired("name_words", *arms) == {"name_words"}


def test_a_keyword_beside_a_comment_of_each_file_is_found() -> None:
    arms = [[f"{keyword} #{place:08x}" for place in range(start, start + 15)] for keyword, start in
            (("Comment", 0), ("Description", 100))]  # fmt: skip
    assert fired("text_chunks", *arms) == {"text_chunks"}


def test_a_patients_own_word_counts_once() -> None:
    """Thirty images of one patient do not make the patient's name a common word."""
    values = ["smith real"] * 30 + [f"{name} fake" for name in SURNAMES]
    units = [list(range(30)), *([30 + i] for i in range(len(SURNAMES)))]
    assert set(merged(values, units)) == {f"{OTHER} fake", OTHER}  # one unit says `real`


def test_what_is_common_enough_stays() -> None:
    few = ["real kermany", "fake gan", "fake ddpm"] * 10
    assert merged(few, alone(few)) == few
    none = ["none"] * 5
    assert merged(none, alone(none)) == none
    assert merged([], []) == []
    apart = [f"a{i} b{i}" for i in range(9)]
    assert set(merged(apart, alone(apart))) == {OTHER}


def test_labels_have_no_part_in_merging() -> None:
    values = [f"{name} real" for name in SURNAMES[:15]] + [f"{name} fake" for name in SURNAMES[15:]]
    order = np.random.default_rng(0).permutation(len(values))
    shuffled = merged([values[i] for i in order], alone(values))
    assert shuffled == [merged(values, alone(values))[i] for i in order]


def test_huffman_tables_of_an_encoder_that_optimises() -> None:
    film = Image.fromarray(np.random.default_rng(1).integers(0, 256, (32, 32), dtype=np.uint8))

    def chunks(image: Image.Image, **options: object) -> list[str]:
        file = io.BytesIO()
        image.save(file, "JPEG", **options)
        return str(jpeg_facts(file.getvalue())["chunks"]).split()

    for image in (film, film.convert("RGB")):
        assert "DHT" in chunks(image)
        assert "DHT:own" not in chunks(image)
        assert "DHT" not in chunks(image, optimize=True)
        assert "DHT:own" in chunks(image, optimize=True)


def test_values_of_png_chunks_are_told_where_they_are_alike_in_an_arm() -> None:
    file = io.BytesIO()
    Image.new("L", (4, 4)).save(file, "PNG")

    def chunks(kind: bytes, body: bytes) -> str:
        part = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        return str(png_facts(file.getvalue()[:33] + part + file.getvalue()[33:])["chunks"])

    one, other = (chunks(b"gAMA", struct.pack(">I", gamma)) for gamma in (45455, 100000))
    assert one.split()[1].startswith("gAMA#")
    assert one != other
    assert chunks(b"tIME", b"1234567") == chunks(b"tIME", b"7654321") == "IHDR tIME IDAT IEND"


def test_too_few_units_are_named_and_nothing_is_proven() -> None:
    patients = ("p",) * 20
    real = Sample("real", "ct", tuple("abcdefghijklmnopqrst"), {"before": {"bytes": [1.0] * 20}}, patients=patients)
    fake = Sample("g", "ct", tuple("ABCDEFGHIJKLMNOPQRST"), {"before": {"bytes": [2.0] * 20}}, patients=("q",) * 20)
    found = audit([Comparison(real, fake)])
    (few,) = [c for c in found.confounds if c.confound == "too_few"]
    assert few.what.startswith("20 reals of 1 and 20 fakes of 1 patients or sources are too few")
    assert "The gate passes, and proves nothing: too few images (arm g, ct)." in table(found)


def test_groups_come_once_and_a_number_of_no_image_is_not_constant() -> None:
    def arm(name: str, step: float) -> Sample:
        values = [step + i for i in range(20)]
        facts = {"before": {"mean": values, "order": [None] * 20},
                 "after": {"bytes": [1.0] * 20, "comb": values, "mean": values}}  # fmt: skip
        return Sample(name, "xray", tuple(map(str, range(20))), facts)

    text = table(audit([Comparison(arm("real", 0), arm("g", 0.5))]))
    assert [text.count(f"\n  {group}") for group in ("Transport", "Encoding", "Pixels")] == [1, 1, 1]
    assert text.index("bytes") < text.index("order") < text.index("comb") < text.index("mean")
    assert [line.split(None, 1)[1] for line in text.splitlines() if line.startswith("    order")] == [
        "not defined for any image"
    ]
