"""Survey, common shape and preview: one pass, clear refusals, a sheet that seals nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from harmonised_runs import QUIET, Given, made_run
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from lungeval.blinding.preview import preview
from lungeval.blinding.sizes import recipes
from lungeval.blinding.survey import lines_of
from lungeval.errors import LungevalError, LungevalErrors
from lungeval.images.grey import quantiles
from lungeval.images.trimming import Box

LONG = "an-arm-with-a-name-that-is-much-too-long-for-its-column"
BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "harmonise.py"


def film(rows=80, cols=80, seed=0):
    """A soft blob with grain: nothing to trim, nothing to read."""
    y, x = np.mgrid[0:rows, 0:cols]
    unit = 120 + 45 * np.sin(x / 9 + seed) + 45 * np.cos(y / 11)
    return (unit + np.random.default_rng(seed).normal(0, 3, (rows, cols))).astype(np.uint8)[None]


def labelled(words="DOE JANE 1962", seed=0):
    picture = Pillow.fromarray(film(120, 120, seed)[0])
    ImageDraw.Draw(picture).text((8, 8), words, fill=255, font=ImageFont.load_default(14))
    return np.asarray(picture)[None]


def common(made, rejected=None):
    rows = made.surveyed(rejected)
    return recipes(made.eligible(rows), {(r.arm, r.key): r for r in rows}, made.locked.protocol, made.run)


def test_the_survey_says_what_is_left_after_trimming_and_field_of_view(tmp_path):
    framed = np.pad(film(), ((0, 0), (10, 10), (4, 4)), constant_values=255)
    made = made_run(tmp_path, [Given("real", framed), Given("a", film())], field_of_view=0.75)
    assert [(r.arm, r.side, r.frames, r.eligible, r.text_lines) for r in made.surveyed()] == [
        ("a", 60, 1, True, 0), ("real", 60, 1, True, 0),
    ]  # fmt: skip
    plain = made_run(tmp_path / "plain", [Given("real", framed)], trim=False)
    assert plain.surveyed()[0].side == 88


@pytest.mark.parametrize(("policy", "eligible"), [("refuse", False), ("mask", True), ("keep", True)])
def test_burned_in_text_is_refused_by_policy_and_never_quoted(tmp_path, policy, eligible):
    made = made_run(tmp_path, [Given("real", labelled())], text=policy)
    row = made.surveyed()[0]
    assert (row.eligible, row.text_lines) == (eligible, 1)
    assert (row.reason, row.by) == (("", "") if eligible else ("burned-in text: 1 line", "lungeval"))


def test_people_go_before_rules(tmp_path):
    made = made_run(tmp_path, [Given("real", labelled()), Given("real", film())])
    rows = made.surveyed({("real", f"{0:064x}"): ("motion", "rk"), ("real", "unknown"): ("x", "y")})
    assert [(r.eligible, r.reason, r.by) for r in rows] == [(False, "motion", "rk"), (True, "", "")]


def test_an_image_that_was_not_made_has_no_row(tmp_path):
    made = made_run(tmp_path, [Given("real", film())])
    gone = made.manifest[0].model_copy(update={"outcome": "refused", "key": "f" * 64, "file": ""})
    assert len(made._replace(manifest=[*made.manifest, gone]).surveyed()) == 1


def test_auto_is_the_smallest_side_of_the_eligible_alone(tmp_path):
    given = [Given("real", film(100, 90)), Given("a", film(70, 110)), Given("a", film(40, 40))]
    made = made_run(tmp_path, given)
    assert common(made)["xray"].size == 40
    assert common(made, {("a", f"{2:064x}"): ("tiny", "rk")})["xray"].size == 70


def test_recipes_carry_the_protocol(tmp_path):
    made = made_run(
        tmp_path, [Given("real", film())], size=48, window="mediastinum", trim=False, field_of_view=0.9, jpeg=80,
        grey="stretch", text="mask", declared_effect="x",
    )  # fmt: skip
    recipe = common(made)["xray"]
    assert recipe.to_json() == {
        "size": 48, "frames": 1, "window": [40.0, 400.0], "trim": False, "field_of_view": 0.9, "grey": "stretch",
        "reference": None, "jpeg": 80, "text": "mask",
    }  # fmt: skip


def test_no_upsampling_unless_allowed(tmp_path):
    given = [Given("real", film(100, 100)), Given("a", film(60, 60))]
    with pytest.raises(
        LungevalError, match="size 64 is above the smallest xray image's own: 60 pixels, arm 'a'"
    ) as bad:
        common(made_run(tmp_path, given, size=64))
    assert (bad.value.code, bad.value.where) == ("design", "blinding.size")
    assert common(made_run(tmp_path / "b", given, size=64, allow_upsampling=True))["xray"].size == 64


def test_nothing_eligible_is_said(tmp_path):
    made = made_run(tmp_path, [Given("real", labelled())])
    with pytest.raises(LungevalError, match="no arm made a usable image"):
        common(made)


def stack(frames, seed=0):
    return np.concatenate([film(seed=seed + n) for n in range(frames)])


def test_stacks_get_the_frames_of_the_shortest(tmp_path):
    given = [Given("real", stack(7), modality="ct"), Given("a", stack(5), modality="ct"), Given("a", film())]
    found = common(made_run(tmp_path, given))
    assert {modality: recipe.frames for modality, recipe in found.items()} == {"ct": 5, "xray": 1}
    assert common(made_run(tmp_path / "b", given, frames=3))["ct"].frames == 3
    assert common(made_run(tmp_path / "c", given, frames=3))["xray"].frames == 1
    with pytest.raises(LungevalError, match="6 frames are more than the shortest ct stack has: 5, arm 'a'"):
        common(made_run(tmp_path / "d", given, frames=6))


def test_stacks_and_slices_do_not_mix_and_all_faults_come_at_once(tmp_path):
    given = [Given("real", stack(4), modality="ct"), Given("a", film(), modality="ct"), Given("a", film(50, 50))]
    with pytest.raises(LungevalErrors) as bad:
        common(made_run(tmp_path, given, size=64))
    texts = [str(fault) for fault in bad.value.faults()]
    assert len(texts) == 2
    assert "stacks (arm real) and single images (arm a)" in texts[0]
    assert "options: {series: slices}" in texts[0]
    assert "size 64" in texts[1]


def test_match_takes_its_reference_from_the_eligible_reals(tmp_path):
    given = [Given("real", film(seed=1)), Given("real", film(seed=2) // 2), Given("a", film(seed=3))]
    made = made_run(tmp_path, given, grey="match", declared_effect="x", trim=False)
    units = [quantiles(one.pixels / 255) for one in given]
    np.testing.assert_allclose(common(made)["xray"].reference, (units[0] + units[1]) / 2, atol=1e-8)
    only = common(made, {("real", f"{1:064x}"): ("dark", "rk")})["xray"].reference
    np.testing.assert_allclose(only, units[0], atol=1e-8)
    fakes = made_run(tmp_path / "b", [Given("a", film())], grey="match", declared_effect="x")
    with pytest.raises(LungevalError, match="none is eligible") as bad:
        common(fakes)
    assert (bad.value.code, bad.value.where) == ("design", "blinding.grey")


def test_the_preview_is_a_sheet_and_seals_nothing(tmp_path):
    given = [Given("real", film(90, 120, n)) for n in range(5)] + [Given("real", labelled())]
    given += [Given(LONG, film(70, 70, n)) for n in (1, 2)]
    made = made_run(tmp_path, given)
    before = sorted(path for path in made.run.folder.rglob("*"))
    out = preview(made.run, made.locked, tmp_path / "sheets" / "preview.png", QUIET)
    assert sorted(path for path in made.run.folder.rglob("*")) == before
    with Pillow.open(out) as sheet:
        assert sheet.width == 1440
        assert sheet.height > 400
        colours = {colour for _, colour in sheet.getcolors(1 << 24)}
    assert {(0, 168, 150), (236, 112, 24)} <= colours
    first = out.read_bytes()
    assert preview(made.run, made.locked, out, QUIET).read_bytes() == first


def test_the_preview_shows_stacks_and_modalities_of_which_nothing_is_left(tmp_path):
    given = [Given("real", stack(4), modality="ct"), Given("a", stack(6), modality="ct"), Given("real", labelled())]
    out = preview(made_run(tmp_path, given).run, made_run(tmp_path, given).locked, tmp_path / "preview.png", QUIET)
    assert out.stat().st_size > 5000


@pytest.mark.slow
def test_the_benchmark_runs():
    done = subprocess.run([sys.executable, BENCHMARK, "--quick"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.split("  ")[0] for line in done.stdout.splitlines()[2:4]] == [
        "plain Pillow: open, crop, resize", "harmonise: levels, square, resample",
    ]  # fmt: skip


def test_in_a_stack_a_line_counts_where_it_stands_on_many_slices() -> None:
    here, nearly, there = Box(0, 10, 0, 40), Box(1, 10, 2, 40), Box(50, 60, 0, 40)
    assert lines_of([[here, there]]) == 2, "a single frame is taken at its word"
    assert lines_of([[here], [], [], [], [], [], [], []]) == 0
    assert lines_of([[here], [nearly], [], [], [], [], [], []]) == 1
    assert lines_of([[here], [there], [], [], [], [], [], []]) == 0
    assert lines_of([[here, there], [nearly, there]]) == 2
    assert lines_of([[here], [nearly], *[[]] * 30]) == 0, "two of 32 slices are no quarter"
    page = [Box(20 * n, 20 * n + 10, 0, 40) for n in range(4)]
    assert lines_of([page, *[[]] * 31]) == 4, "a dose report among the slices"
