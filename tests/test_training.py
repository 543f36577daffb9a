"""`lungeval train`: recipes, draws, the loss, the loop that comes back bit for bit, and what a training leaves."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from studies import lungeval, write_protocol

from lungeval.backends.base import Context
from lungeval.backends.pixel_diffusion import PixelDiffusionBackend
from lungeval.backends.pixel_diffusion.sampling import to_channels, to_pixels
from lungeval.errors import LungevalError
from lungeval.progress import Progress
from lungeval.protocol import Arm, Cell
from lungeval.protocol_files import load_generator
from lungeval.training import loop, train
from lungeval.training.films import Film, Films, load_films
from lungeval.training.nearest import nearness
from lungeval.training.objective import diffusion_loss, signal_to_noise, target_of, weights_of
from lungeval.training.recipe import plan_of
from lungeval.training.task import draws_of

TINY = {
    "size": 16, "unshuffle": 2, "channels": [8, 16], "layers": 1, "attention": 0, "batch": 4, "learning_rate": 3e-3,
    "warmup": 2, "ema": 0.9, "checkpoint_every": 5, "sheet_every": 100, "log_every": 1, "samples": 2,
    "sampler_steps": 4,
}  # fmt: skip
LEFT, RIGHT = Cell(modality="xray", condition="no_finding"), Cell(modality="xray", condition="covid_19")


def write_films(path: Path, count: int = 24) -> Path:
    """Two classes that a network learns in seconds: a bright left or right half, with a little noise."""
    rng = np.random.default_rng(1)
    y = np.arange(count) % 2
    x = rng.integers(0, 40, (count, 16, 16))
    for film, label in zip(x, y, strict=True):
        film[:, 8 * label : 8 * label + 8] += 180
    patients = [f"p{i // 2}" for i in range(count)]
    np.savez(path, x=x.astype(np.uint8), y=y, names=np.array(["no_finding", "covid_19"]), patient=np.array(patients))
    return path


def write_recipe(folder: Path, steps: int = 10, out: str = "model", **changes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "films.npz").exists():
        write_films(folder / "films.npz")
    path = folder / f"{out}.yaml"
    content = {
        "version": 1, "name": "tiny", "backend": "pixel_diffusion", "path": out, "licence": "CC0-1.0",
        "train": {"recipe": "pixel", "data": "films.npz", "steps": steps, "out": out, "patients": f"{out}/patients.csv",
                  "credit": ["Credit: nobody"], "options": TINY | changes},
    }  # fmt: skip
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = torch.load(loop.checkpoints(folder / "training")[-1], weights_only=True)
    means = {f"mean {name}": value for name, value in state["means"].items()}
    return {**state["weights"], **means}


# --- the recipe ---


def test_every_fault_of_a_recipe_is_told_at_once(tmp_path):
    path = write_recipe(tmp_path, size=20, chanels=[8], batch=0)
    with pytest.raises(LungevalError) as caught:
        plan_of(load_generator(path), path)
    said = [str(fault) for fault in caught.value.faults()]
    assert len(said) == 2
    assert "train.options.chanels: unknown key; did you mean 'channels'?" in said[0] + said[1]
    assert "train.options.batch: 0 cannot be used" in said[0] + said[1]


def test_rules_across_options(tmp_path):
    path = write_recipe(tmp_path, size=18, channels=[8, 12])
    with pytest.raises(LungevalError) as caught:
        plan_of(load_generator(path), path)
    assert [fault.what for fault in caught.value.faults()] == [
        "train.options.size: 18 is no multiple of 4", "train.options.channels: [8, 12]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("recipe", "pixl", "'pixl' is no recipe"), ("recipe", None, "train.recipe is missing"),
        ("data", None, "train.data is missing"), ("steps", None, "train.steps is missing"),
        ("out", None, "train.out is missing"), ("recipe", "lora", "train.base is missing"),
    ],
)  # fmt: skip
def test_what_a_training_needs(tmp_path, key, value, said):
    path = write_recipe(tmp_path)
    content = yaml.safe_load(path.read_text())
    content["train"] = {k: v for k, v in (content["train"] | {key: value, "options": {}}).items() if v is not None}
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(LungevalError, match=said):
        plan_of(load_generator(path), path)


def test_a_generator_without_train_is_told_so(tmp_path):
    path = tmp_path / "g.yaml"
    path.write_text("version: 1\nname: g\nbackend: phantom\n")
    done = lungeval("train", path)
    assert done.returncode == 3
    assert "no `train:`, so there is nothing to train" in done.stderr
    assert "Traceback" not in done.stderr


def test_data_that_are_not_there(tmp_path):
    path = write_recipe(tmp_path)
    (tmp_path / "films.npz").unlink()
    done = lungeval("train", path)
    assert done.returncode == 6
    assert "no folder" in done.stderr


# --- films ---


def test_films_keep_patients_of_copies_left_out(tmp_path):
    write_films(tmp_path / "films.npz")
    with np.load(tmp_path / "films.npz") as archive:
        held = dict(archive)
    held["x"][3] = held["x"][1]  # the same film under another patient
    np.savez(tmp_path / "films.npz", **held)
    path = write_recipe(tmp_path)
    films = load_films(plan_of(load_generator(path), path), Progress(quiet=True))
    assert len(films.films) == 23
    assert films.patients == {f"p{i}" for i in range(12)}
    assert films.cells == [("xray", "covid_19"), ("xray", "no_finding")]
    assert films.pixels.shape == (23, 16, 16)


def test_a_film_that_changes_changes_the_digest(tmp_path):
    path = write_recipe(tmp_path)
    plan = plan_of(load_generator(path), path)
    before = load_films(plan, Progress(quiet=True)).digest()
    assert before == load_films(plan, Progress(quiet=True)).digest()
    with np.load(tmp_path / "films.npz") as archive:
        held = dict(archive)
    held["x"][0, 0, 0] += 1
    np.savez(tmp_path / "films.npz", **held)
    assert load_films(plan, Progress(quiet=True)).digest() != before


# --- draws ---


def test_every_film_once_an_epoch_in_a_new_order():
    seen = [draw.film for step in range(6) for draw in draws_of(7, step, 4, 12)]
    assert sorted(seen[:12]) == sorted(seen[12:]) == list(range(12))
    assert seen[:12] != seen[12:]


def test_a_batch_may_be_larger_than_the_set_and_reach_over_epochs():
    films = [draw.film for draw in draws_of(0, 0, 7, 3)]
    assert sorted(films[:3]) == sorted(films[3:6]) == [0, 1, 2]


def test_draws_depend_on_nothing_but_their_arguments():
    one, two = draws_of(3, 5, 4, 10), draws_of(3, 5, 4, 10)
    assert [d.film for d in one] == [d.film for d in two]
    for a, b in zip(one, two, strict=True):
        assert torch.equal(torch.randn(3, generator=a.random), torch.randn(3, generator=b.random))
    other = draws_of(3, 6, 4, 10)
    assert not torch.equal(
        torch.randn(3, generator=draws_of(3, 5, 4, 10)[0].random), torch.randn(3, generator=other[0].random)
    )


def test_processes_share_a_batch_without_gap_or_overlap():
    whole = [d.film for d in draws_of(1, 9, 6, 50)]
    parts = [d.film for rank in range(3) for d in draws_of(1, 9, 6, 50, share=(rank, 3))]
    assert parts == whole


# --- the loss ---


def scheduler(kind: str):
    from diffusers import DDPMScheduler

    return DDPMScheduler(num_train_timesteps=50, beta_schedule="squaredcos_cap_v2", prediction_type=kind)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_the_weights_by_hand(kind):
    times = torch.tensor([0, 10, 40])
    s = scheduler(kind)
    a = s.alphas_cumprod[times].double()
    snr = a / (1 - a)
    assert torch.allclose(signal_to_noise(s, times).double(), snr, rtol=1e-5)
    clamped = snr.clamp(max=5.0)
    expected = {"epsilon": clamped / snr, "v_prediction": clamped / (snr + 1), "sample": clamped}[kind]
    assert torch.allclose(weights_of(s, times, 5.0).double(), expected, rtol=1e-5)
    assert torch.equal(weights_of(s, times, None), torch.ones(3))


def test_a_level_without_signal_weighs_a_finite_number():
    from diffusers import DDPMScheduler

    s = DDPMScheduler(num_train_timesteps=50, rescale_betas_zero_snr=True, prediction_type="epsilon")
    assert torch.isfinite(weights_of(s, torch.tensor([49]), 5.0)).all()


def test_v_is_what_the_paper_says():
    """v = sqrt(alpha_bar) noise - sqrt(1 - alpha_bar) x (Salimans & Ho 2022, arXiv:2202.00512, section 4)."""
    s = scheduler("v_prediction")
    x, noise, times = torch.randn(2, 1, 4, 4), torch.randn(2, 1, 4, 4), torch.tensor([5, 30])
    a = s.alphas_cumprod[times][:, None, None, None]
    assert torch.allclose(target_of(s, x, noise, times), a.sqrt() * noise - (1 - a).sqrt() * x, atol=1e-6)


def test_the_loss_is_a_weighted_mean_over_images():
    s = scheduler("v_prediction")
    times = torch.tensor([3, 20])
    said, target = torch.zeros(2, 1, 2, 2), torch.stack([torch.ones(1, 2, 2), 2 * torch.ones(1, 2, 2)])
    w = weights_of(s, times, 5.0)
    assert math.isclose(
        diffusion_loss(said, target, s, times, 5.0).item(), ((w[0] * 1 + w[1] * 4) / 2).item(), rel_tol=1e-6
    )
    assert math.isclose(diffusion_loss(said, target, s, times, None).item(), 2.5, rel_tol=1e-6)


def test_the_learning_rate_by_hand(tmp_path):
    path = write_recipe(tmp_path, steps=12)
    plan = plan_of(load_generator(path), path)
    rates = [loop.rate_at(step, plan) for step in range(12)]
    assert rates[:2] == pytest.approx([1.5e-3, 3e-3])
    assert rates[2] == pytest.approx(3e-3)
    assert rates[7] == pytest.approx(1.5e-3)
    assert rates[11] == pytest.approx(3e-3 * 0.5 * (1 + math.cos(math.pi * 0.9)))


def test_pixels_to_channels_and_back():
    x = torch.randn(2, 1, 8, 8)
    assert to_channels(x, 4).shape == (2, 16, 2, 2)
    assert torch.equal(to_pixels(to_channels(x, 4), 4), x)


# --- the loop ---


class StoppedError(Exception):
    """Stands for a kill."""


def test_a_training_that_was_stopped_ends_in_the_same_bits(tmp_path, monkeypatch):
    whole = write_recipe(tmp_path, out="whole")
    train(whole, Progress(quiet=True))
    parts = write_recipe(tmp_path, out="parts")
    checkpoint = loop._checkpoint

    def stop_after(scratch, step, *rest):
        checkpoint(scratch, step, *rest)
        if step == 5:
            raise StoppedError

    monkeypatch.setattr(loop, "_checkpoint", stop_after)
    with pytest.raises(StoppedError):
        train(parts, Progress(quiet=True))
    monkeypatch.setattr(loop, "_checkpoint", checkpoint)
    with (tmp_path / "parts/training/log.jsonl").open("a") as log:  # a line of a step that was not kept
        log.write('{"step": 6, "loss": 9.0}\n')
    (tmp_path / "parts/training/state-00000009.part").write_bytes(b"torn")
    train(parts, Progress(quiet=True))
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert one.keys() == two.keys()
    assert max(float((one[name] - two[name]).abs().max()) for name in one) == 0.0
    logs = [
        [json.loads(line) for line in (tmp_path / n / "training/log.jsonl").read_text().splitlines()]
        for n in ("whole", "parts")
    ]
    assert [row["loss"] for row in logs[0]] == [row["loss"] for row in logs[1]]
    assert [row["step"] for row in logs[1]] == list(range(1, 11))


def test_the_running_mean_by_hand(tmp_path):
    path = write_recipe(tmp_path, steps=1)
    train(path, Progress(quiet=True))
    state = torch.load(loop.checkpoints(tmp_path / "model/training")[-1], weights_only=True)
    name = "unet.conv_in.bias"
    task = loop_task(path)
    start = dict(task.named_parameters())[name]
    expected = 0.1 * start + 0.9 * state["weights"][name]  # decay min(0.9, 1 / 10) after the first step
    assert torch.allclose(state["means"][name], expected, atol=1e-7)


def loop_task(path: Path):
    from lungeval.training import task_of

    plan = plan_of(load_generator(path), path)
    return task_of(plan, load_films(plan, Progress(quiet=True)))


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    train(write_recipe(tmp_path), Progress(quiet=True))
    changed = write_recipe(tmp_path, learning_rate=1e-3)
    with pytest.raises(LungevalError, match="of another training") as caught:
        train(changed, Progress(quiet=True))
    assert caught.value.code == "changed"
    train(changed, Progress(quiet=True), new=True)


def test_more_steps_go_on_where_the_rate_is_constant(tmp_path):
    train(write_recipe(tmp_path, steps=6, schedule="constant"), Progress(quiet=True))
    train(write_recipe(tmp_path, steps=10, schedule="constant"), Progress(quiet=True))
    longer = weights(tmp_path / "model")
    train(write_recipe(tmp_path / "again", steps=10, schedule="constant"), Progress(quiet=True))
    straight = weights(tmp_path / "again/model")
    assert all(torch.equal(longer[name], straight[name]) for name in straight)


def test_fewer_steps_than_were_taken_are_not_claimed(tmp_path):
    train(write_recipe(tmp_path, steps=10, schedule="constant"), Progress(quiet=True))
    assert train(write_recipe(tmp_path, steps=6, schedule="constant"), Progress(quiet=True))["steps"] == 10


def test_a_torn_line_of_the_log_stops_nothing(tmp_path):
    path = write_recipe(tmp_path, steps=6, schedule="constant")
    train(path, Progress(quiet=True))
    log = tmp_path / "model/training/log.jsonl"
    with log.open("a") as handle:
        handle.write('{"step": 7, "lo\n')
    train(write_recipe(tmp_path, steps=8, schedule="constant"), Progress(quiet=True))
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == list(range(1, 9))


def test_a_training_can_be_finished_early_and_gone_on_with(tmp_path, monkeypatch):
    path = write_recipe(tmp_path)
    with pytest.raises(LungevalError, match="no checkpoint to finish from"):
        train(path, Progress(quiet=True), stop=True)
    checkpoint = loop._checkpoint

    def stop_after(scratch, step, *rest):
        checkpoint(scratch, step, *rest)
        raise StoppedError

    monkeypatch.setattr(loop, "_checkpoint", stop_after)
    with pytest.raises(StoppedError):
        train(path, Progress(quiet=True))
    monkeypatch.setattr(loop, "_checkpoint", checkpoint)
    assert train(path, Progress(quiet=True), stop=True)["steps"] == 5
    assert "| steps | 5 of 10 planned |" in (tmp_path / "model/README.md").read_text()
    assert train(path, Progress(quiet=True))["steps"] == 10
    assert "| steps | 10 |" in (tmp_path / "model/README.md").read_text()


def test_two_processes_cannot_train_one_model(tmp_path):
    from lungeval.training import working

    path = write_recipe(tmp_path)
    with working(tmp_path / "model/training", main=True), pytest.raises(LungevalError) as caught:
        train(path, Progress(quiet=True))
    assert caught.value.code == "busy"


def test_beginning_anew_spares_a_training_that_is_under_way(tmp_path):
    from lungeval.training import working

    path = write_recipe(tmp_path, steps=5)
    train(path, Progress(quiet=True))
    found = loop.checkpoints(tmp_path / "model/training")
    assert (tmp_path / "model/training/.gitignore").read_text() == "*\n"
    with working(tmp_path / "model/training", main=True), pytest.raises(LungevalError) as caught:
        train(path, Progress(quiet=True), new=True)
    assert caught.value.code == "busy"
    assert loop.checkpoints(tmp_path / "model/training") == found != []
    (tmp_path / "model/training/log.jsonl").write_text("")
    train(path, Progress(quiet=True), new=True)
    assert len((tmp_path / "model/training/log.jsonl").read_text().splitlines()) == 5


def test_a_loss_that_is_no_number_stops_the_training(tmp_path, monkeypatch):
    from lungeval.training.pixel import PixelTask

    real = PixelTask.forward
    monkeypatch.setattr(PixelTask, "forward", lambda self, draws: real(self, draws) * float("nan"))
    with pytest.raises(LungevalError, match="the loss is nan at step 1"):
        train(write_recipe(tmp_path), Progress(quiet=True))


@pytest.mark.slow
def test_a_mirrored_thorax_is_warned_about(tmp_path):
    done = lungeval("train", write_recipe(tmp_path, steps=1, flip=True))
    assert done.returncode == 0, done.stderr
    assert "warning: flip: true mirrors a thorax" in done.stderr


# --- what a training leaves ---


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    path = write_recipe(folder / "generators", steps=150, batch=8, sampler_steps=8, log_every=10)
    done = lungeval("train", path)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_loss_falls(trained):
    log = (trained / "generators/model/training/log.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in log]
    assert len(losses) == 15
    assert np.mean(losses[-3:]) < 0.5 * losses[0]


def test_a_second_call_does_nothing(trained):
    done = lungeval("train", trained / "generators/model.yaml", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["data"]["steps"] == 150
    assert "is trained already" in done.stderr


def test_the_card_says_what_a_user_must_know(trained):
    model = trained / "generators/model"
    card = (model / "README.md").read_text()
    record = json.loads((model / "training.json").read_text())
    for words in (
        "license: cc0-1.0", "Not for clinical use", "24 distinct films of 12 patients", record["data_sha256"],
        "| xray / covid_19 | 12 |", "- Credit: nobody", "| steps | 150 |", "Does it copy?", "sheet.png",
    ):  # fmt: skip
        assert words in card
    assert str(trained) not in card + json.dumps(record)
    rows = list(csv.DictReader((model / "patients.csv").read_text().splitlines()))
    assert {row["patient"] for row in rows} == {f"p{i}" for i in range(12)}
    assert len(rows) == 24
    assert {path.name for path in model.iterdir()} == {
        "README.md", "lungeval.json", "nearest.csv", "patients.csv", "scheduler", "sheet.png", "training",
        "training.json", "unet",
    }  # fmt: skip


def backend(folder: Path, **options) -> PixelDiffusionBackend:
    return PixelDiffusionBackend(
        Context("tiny", Arm(backend="pixel_diffusion", path="model", options=options), folder, 5)
    )


def test_it_draws_the_class_that_is_asked_for(trained):
    arm = backend(trained / "generators")
    assert arm.conditions() == {"xray": {"no_finding", "covid_19"}}
    for cell, side in ((LEFT, 0), (RIGHT, 8)):
        films = np.stack([made.pixels[0] for made in arm.make(arm.offer(cell, 8))]).astype(float)
        bright, dark = films[:, :, side : side + 8].mean(), films[:, :, 8 - side : 16 - side].mean()
        assert bright > dark + 60


def test_images_do_not_depend_on_their_batch(trained):
    arm = backend(trained / "generators", batch=4)
    items = arm.offer(LEFT, 6)
    together = {made.item.key: made.pixels for made in arm.make(items)}
    alone = [next(iter(arm.make([item]))).pixels for item in items]
    assert all(np.array_equal(together[item.key], pixels) for item, pixels in zip(items, alone, strict=True))
    larger = backend(trained / "generators", batch=6)
    assert [item.key for item in larger.offer(LEFT, 6)] == [item.key for item in items]
    gap = max(np.abs(made.pixels.astype(int) - together[made.item.key]).max() for made in larger.make(items))
    assert gap <= 1


def test_the_key_names_all_that_changes_an_image(trained):
    folder = trained / "generators"
    keys = {backend(folder, **options).offer(LEFT, 1)[0].key for options in ({}, {"steps": 3}, {"guidance": 2.0})}
    assert len(keys) == 3
    same = {backend(folder, **options).offer(LEFT, 1)[0].key for options in ({}, {"batch": 2}, {"threads": 2})}
    assert len(same) == 1


@pytest.mark.slow
def test_a_trained_generator_is_an_arm_of_a_whole_study(trained):
    protocol = write_protocol(trained, generators=["model"], real={"backend": "phantom", "options": {"size": 64}})
    done = lungeval("run", protocol, "--no-serve")
    assert done.returncode == 0, done.stderr
    again = lungeval("digest", next(trained.glob("reports/small-*")))
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda folder: (folder / "unet/config.json").unlink(), 6, "no config.json"),
        (lambda folder: [path.unlink() for path in (folder / "unet").glob("*.safetensors")], 6, "no weights"),
        (lambda folder: (folder / "lungeval.json").write_text("{"), 3, "not a model's description"),
        (lambda folder: (folder / "lungeval.json").unlink(), 3, "nothing says what its classes mean"),
    ],
)
def test_a_spoiled_model_is_told(trained, tmp_path, change, code, said):
    import shutil

    shutil.copytree(trained / "generators/model", tmp_path / "model")
    change(tmp_path / "model")
    with pytest.raises(LungevalError, match=said) as caught:
        backend(tmp_path)
    assert caught.value.exit == code


def test_a_model_not_trained_yet_names_the_command(tmp_path):
    path = write_recipe(tmp_path / "generators")
    protocol = write_protocol(tmp_path, generators=["model"])
    done = lungeval("run", protocol)
    assert done.returncode == 6
    assert f"train it with `lungeval train {path}`" in done.stderr


def test_an_unknown_option_is_told(tmp_path, trained):
    with pytest.raises(LungevalError, match=r"options\.guidence: unknown key; did you mean 'guidance'"):
        backend(trained / "generators", guidence=2)


# --- copies ---


def films_of(pixels: np.ndarray, patients: list[str]) -> Films:
    return Films(pixels, tuple(Film("xray", "no_finding", p, "", "", "", str(i)) for i, p in enumerate(patients)))


def test_a_planted_copy_is_found_and_a_fresh_image_is_not():
    rng = np.random.default_rng(0)
    known = rng.integers(0, 255, (20, 32, 32)).astype(np.uint8)
    blurred = np.clip(known[7].astype(int) * 0.8 + 20 + rng.normal(0, 8, (32, 32)), 0, 255).astype(np.uint8)
    fresh = rng.integers(0, 255, (32, 32)).astype(np.uint8)
    near = nearness(np.stack([fresh, blurred]), films_of(known, [f"p{i}" for i in range(20)]))
    assert [(match.sample, match.film) for match in near.copies] == [(1, 7)]
    assert near.matches[0].sample == 1
    assert near.matches[0].correlation > 0.97
    assert near.matches[0].distance == pytest.approx(math.sqrt(2 * (1 - near.matches[0].correlation)), abs=1e-6)


def test_the_correlation_is_that_of_the_blurred_middles():
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(3)
    pair = rng.integers(0, 255, (2, 64, 64)).astype(np.uint8)
    near = nearness(pair[:1], films_of(pair[1:], ["a"]))
    means = pair.reshape(2, 32, 2, 32, 2).mean((2, 4)) / 255
    sample, film = (gaussian_filter(image, 0.7, mode="nearest") for image in means)
    found = np.corrcoef(sample[3:29, 3:29].ravel(), film[3:29, 3:29].ravel())[0, 1]
    assert near.matches[0].correlation >= found - 1e-6  # this is one of the places that are tried
    same = nearness(pair[1:], films_of(pair[1:], ["a"]))
    assert same.matches[0].correlation == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("moved", [(0, 6), (-5, 3), (4, -6)])
def test_a_copy_is_found_moved_and_mirrored(moved):
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(5)
    smooth = gaussian_filter(rng.normal(0, 1, (12, 64, 64)), (0, 4, 4))
    known = (128 + 100 * smooth / np.abs(smooth).max()).astype(np.uint8)
    copy = np.roll(known[4], moved, (0, 1))[:, ::-1]
    near = nearness(copy[None], films_of(known, [f"p{i}" for i in range(12)]))
    assert [(match.sample, match.film) for match in near.copies] == [(0, 4)]


def test_films_of_one_patient_do_not_count_as_strangers():
    rng = np.random.default_rng(0)
    known = rng.integers(0, 255, (4, 32, 32)).astype(np.uint8)
    twins = np.concatenate([known, known])
    near = nearness(known, films_of(twins, ["a", "b", "c", "d"] * 2))
    assert min(near.between) > 1.0
    assert len(near.copies) == 4


def test_nearness_without_a_second_patient_is_not_estimable():
    known = np.random.default_rng(0).integers(0, 255, (4, 32, 32)).astype(np.uint8)
    near = nearness(known, films_of(known, ["a"] * 4))
    assert near.between == ()
    assert near.copies == []
    assert near.near is None


def test_a_flat_sample_is_like_nothing():
    known = np.random.default_rng(0).integers(0, 255, (4, 32, 32)).astype(np.uint8)
    near = nearness(np.zeros((1, 32, 32), np.uint8), films_of(known, list("abcd")))
    assert near.matches[0].correlation == 0.0


def test_the_card_of_a_model_that_copies_says_so(tmp_path):
    from lungeval.training.card import card

    known = np.random.default_rng(0).integers(0, 255, (4, 32, 32)).astype(np.uint8)
    films = films_of(known, list("abcd"))
    path = write_recipe(tmp_path)
    plan = plan_of(load_generator(path), path).model_copy(update={"licence": "CreativeML Open RAIL-M"})
    record = {"patients": 4, "data_sha256": "", "cells": [], "steps": 1, "options": {}, "versions": {}, "loss": {}}
    told = card(plan, films, record, nearness(known, films))
    assert "**4 of 4 samples are copies of training films" in told
    assert "of nobody" not in told
    assert "license: other\nlicense_name: CreativeML Open RAIL-M\n" in told
    fresh = np.random.default_rng(9).integers(0, 255, (1, 32, 32)).astype(np.uint8)
    assert "copies of training films:" not in card(plan, films, record, nearness(fresh, films))


def test_copies_of_a_set_of_one_patient_are_unknown_not_none(tmp_path):
    path = write_recipe(tmp_path, steps=2)
    with np.load(tmp_path / "films.npz") as held:
        content = {**held, "patient": np.array(["p"] * 24)}
    np.savez(tmp_path / "films.npz", **content)
    train(path, Progress(quiet=True))
    assert json.loads((tmp_path / "model/training.json").read_text())["copies"] is None
    assert {row["copy"] for row in csv.DictReader((tmp_path / "model/nearest.csv").read_text().splitlines())} == {""}
