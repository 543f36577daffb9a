"""Fine-tuning a tiny but real Stable Diffusion on real X-rays: bit-exact after a kill, then an arm of a whole study."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from studies import write_protocol
from tiny_sd import tiny_sd, tiny_sdxl

from lungeval.errors import Exit, LungevalError
from lungeval.progress import Progress
from lungeval.protocol import Cell
from lungeval.protocol_files import load_generator

SIZE = 64
PROMPTS = {
    "xray/no_finding": ["{view} chest x-ray, normal", "chest radiograph without findings"],
    "xray/covid_19": "{view} chest x-ray with covid pneumonia",
}
QUIET = Progress(quiet=True)
TRAIN = """
import sys, time
from pathlib import Path
import lungeval.training
import lungeval.training.loop as loop
from lungeval.progress import Progress
write = loop._checkpoint
def slow(*arguments):  # the kill must find the process between this checkpoint and the next
    write(*arguments)
    time.sleep(60)
loop._checkpoint = slow
lungeval.training.train(Path(sys.argv[1]), Progress())
"""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sd(tmp_path_factory.mktemp("base") / "sd", size=SIZE)


@pytest.fixture(scope="session")
def films(lungs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four real films of two conditions, 64 pixels wide."""
    folder = tmp_path_factory.mktemp("films")
    rows: list[list[str]] = []
    for row in table(lungs / "real" / "metadata.csv"):
        already = sum(condition == row["condition"] for _, _, condition, _ in rows)
        if row["modality"] == "CXR" and row["condition"] in ("no_finding", "covid_19") and already < 12:
            name = f"{len(rows)}.png"
            with Image.open(lungs / "real" / row["file"]) as film:
                film.convert("L").resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(folder / name)
            rows.append([name, "xray", row["condition"], row["patient_id"]])
    assert len(rows) == 24
    with (folder / "metadata.csv").open("w", encoding="utf-8") as handle:
        csv.writer(handle).writerows([["file", "modality", "condition", "patient"], *rows])
    return folder


def write_recipe(folder: Path, base: Path, films: Path, kind: str, *, steps: int = 60, **changes: Any) -> Path:
    options: dict[str, Any] = {
        "size": SIZE, "batch": 2, "learning_rate": 1e-3 if kind == "full" else 3e-3, "warmup": 2, "rank": 4, "alpha": 8,
        "ema": 0.95, "checkpoint_every": 30, "log_every": 1, "samples": 2, "sampler_steps": 2, "schedule": "constant",
    }  # fmt: skip
    if kind == "full":
        del options["rank"], options["alpha"]
    top = {key: changes.pop(key) for key in ("prompts", "makes") if key in changes}
    generator = {
        "version": 1, "name": "tuned", "backend": "stable_diffusion", "model": "tiny Stable Diffusion", "path": "out",
        "licence": "CC0-1.0", "prompts": PROMPTS,
        "options": {"steps": 2, "batch": 4, "size": SIZE, "slots": {"view": ["AP", "PA"]}},
        "train": {
            "data": str(films), "recipe": kind, "base": os.path.relpath(base, folder), "steps": steps, "out": "out",
            "options": options | changes,
        },
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tuned.yaml"
    path.write_text(yaml.safe_dump(generator | top), encoding="utf-8")
    return path


def train(path: Path) -> dict[str, Any]:
    from lungeval.training import finishing
    from lungeval.training import train as fit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finishing, "PER_CLASS", {"full": 2, "lora": 2})
        return fit(path, QUIET)


def task_of(path: Path) -> Any:
    from lungeval.training.films import load_films
    from lungeval.training.latent import LatentTask
    from lungeval.training.recipe import plan_of

    plan = plan_of(load_generator(path), path)
    return LatentTask(load_films(plan, QUIET), plan)


def state_of(folder: Path, step: int) -> Any:
    import torch

    return torch.load(folder / "out" / "training" / f"state-{step:08d}.pt", weights_only=True)


def losses_of(folder: Path) -> list[float]:
    lines = (folder / "out" / "training" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    return [row["loss"] for row in rows]


@pytest.fixture(scope="session")
def straight(base: Path, films: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Trained for 60 steps without a stop, once a recipe."""
    done: dict[str, Path] = {}

    def get(kind: str) -> Path:
        if kind not in done:
            folder = tmp_path_factory.mktemp(kind)
            train(write_recipe(folder, base, films, kind))
            done[kind] = folder
        return done[kind]

    return get


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "lora"])
def test_a_killed_training_ends_in_the_same_weights_bit_for_bit(
    kind: str, straight: Callable[[str], Path], base: Path, films: Path, tmp_path: Path
) -> None:
    path = write_recipe(tmp_path, base, films, kind)
    half = tmp_path / "out" / "training" / "state-00000030.pt"
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", TRAIN, str(path)], stderr=subprocess.PIPE)
    try:
        whole = state_of(straight(kind), 60)  # meanwhile
        began = time.monotonic()
        while not half.exists() and process.poll() is None and time.monotonic() - began < 120:
            time.sleep(0.02)
        assert half.exists(), process.stderr and process.stderr.read()
        process.send_signal(signal.SIGKILL)
        process.communicate()
    finally:
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert len(losses_of(tmp_path)) == 30
    assert not half.with_name("state-00000060.pt").exists()
    train(path)
    resumed = state_of(tmp_path, 60)
    for part in ("weights", "means"):
        assert whole[part].keys() == resumed[part].keys()
        assert max(float((whole[part][n] - resumed[part][n]).abs().max()) for n in whole[part]) == 0.0
    assert all(
        bool((whole["optimiser"]["state"][n][m] == resumed["optimiser"]["state"][n][m]).all())
        for n in whole["optimiser"]["state"] for m in ("exp_avg", "exp_avg_sq", "step")
    )  # fmt: skip
    assert losses_of(straight(kind)) == losses_of(tmp_path)
    assert len(losses_of(tmp_path)) == 60


@pytest.mark.parametrize(("kind", "falls"), [("full", 0.3), ("lora", 0.02)])
def test_the_loss_falls(kind: str, falls: float, straight: Callable[[str], Path]) -> None:
    losses = losses_of(straight(kind))
    first, last = np.mean(losses[:10]), np.mean(losses[-10:])
    assert last < first * (1 - falls), (first, last)


def trained_task(folder: Path) -> Any:
    """The task of a finished training, with the weights that were kept."""
    import torch

    task = task_of(folder / "tuned.yaml")
    task.prepare(torch.device("cpu"))
    means = state_of(folder, 60)["means"]
    with torch.no_grad():
        for name, value in task.trained().items():
            value.copy_(means[name])
    return task


def backend_images(arm: dict[str, Any], prompts: list[str], seeds: list[int]) -> Any:
    """Grey images of the `stable_diffusion` backend's own sampler, of given seeds."""
    from lungeval.backends.base import Context
    from lungeval.backends.stable_diffusion.loading import load_pipeline
    from lungeval.backends.stable_diffusion.locating import locate
    from lungeval.backends.stable_diffusion.sampling import Sampler, Sampling
    from lungeval.backends.stable_diffusion.settings import read_options
    from lungeval.images.picture import one_channel
    from lungeval.protocol import Arm

    context = Context("tuned", Arm.model_validate({"backend": "stable_diffusion"} | arm), Path("/nowhere"), 0)
    options = read_options(context)
    loaded = load_pipeline(locate(context, options), options)
    made = Sampler(loaded, Sampling(steps=2, guidance=4.0, shape=(SIZE, SIZE))).sample(prompts, seeds)
    return np.stack([one_channel(image) for image in made.images]).astype(int)


@pytest.mark.parametrize(("kind", "off"), [("full", 0), ("lora", 1)])
def test_the_backend_draws_what_the_training_drew(
    kind: str, off: int, straight: Callable[[str], Path], base: Path
) -> None:
    folder = straight(kind)
    cell = Cell(modality="xray", condition="covid_19")
    drawn = trained_task(folder).sample(cell, [1, 2, 3]).astype(int)
    said = ["AP chest x-ray with covid pneumonia", "PA chest x-ray with covid pneumonia"]
    loaded = backend_images({"path": str(folder / "out")}, [*said, said[0]], [1, 2, 3])
    assert np.abs(loaded - drawn).max() <= off  # a LoRA is added to the weights: rounding
    plain = backend_images({"path": str(base)}, [*said, said[0]], [1, 2, 3])
    assert np.abs(plain - drawn).mean() > 2
    card = json.loads((folder / "out" / "lungeval.json").read_text(encoding="utf-8"))
    assert (card["kind"], card["prediction_type"], card["size"]) == (kind, "epsilon", SIZE)
    assert (folder / "out" / card["base"]).resolve() == base.resolve()
    assert str(base) not in (folder / "out" / "lungeval.json").read_text(encoding="utf-8")


def test_plain_diffusers_loads_the_lora_with_its_scale(straight: Callable[[str], Path], base: Path) -> None:
    import torch
    from diffusers import StableDiffusionPipeline

    from lungeval.backends.stable_diffusion.loading import quiet

    task = trained_task(straight("lora"))
    text = torch.randn((1, 77, 32), generator=torch.Generator().manual_seed(0))
    noisy = torch.randn((1, 4, 16, 16), generator=torch.Generator().manual_seed(1))
    with quiet(), torch.no_grad():
        pipe: Any = StableDiffusionPipeline.from_pretrained(base)
        before = pipe.unet(noisy, 500, text).sample
        pipe.load_lora_weights(straight("lora") / "out")
        after = pipe.unet(noisy, 500, text).sample
        expected = task.unet(noisy, 500, text).sample
    assert float((after - expected).abs().max()) < 1e-5
    assert float((before - expected).abs().max()) > 1e-2


def test_plain_diffusers_loads_the_whole_model(straight: Callable[[str], Path], base: Path) -> None:
    from diffusers import StableDiffusionPipeline

    from lungeval.backends.stable_diffusion.loading import quiet

    out = straight("full") / "out"
    with quiet():
        pipe: Any = StableDiffusionPipeline.from_pretrained(out)
        other: Any = StableDiffusionPipeline.from_pretrained(base)
        pipe.set_progress_bar_config(disable=True)
        image = pipe("chest x-ray", num_inference_steps=1, height=SIZE, width=SIZE, output_type="np").images[0]
    assert image.shape == (SIZE, SIZE, 3)
    same = [bool((a == b).all()) for a, b in zip(pipe.vae.parameters(), other.vae.parameters(), strict=True)]
    assert all(same)
    same = [bool((a == b).all()) for a, b in zip(pipe.unet.parameters(), other.unet.parameters(), strict=True)]
    assert not any(same)
    shown = [path.read_text(encoding="utf-8") for path in out.rglob("*.json") if "training" not in path.parts]
    assert not any(str(base) in text for text in shown)


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_the_result_is_an_arm_of_a_whole_study(
    kind: str, straight: Callable[[str], Path], films: Path, lungs: Path, tmp_path: Path
) -> None:
    from click.testing import CliRunner

    from lungeval.cli import main

    seen = {row["patient"] for row in table(films / "metadata.csv")}
    reals = tmp_path / "reals"
    reals.mkdir()
    rows = []
    for row in table(lungs / "real" / "metadata.csv"):
        if row["modality"] == "CXR" and row["condition"] == "covid_19" and row["patient_id"] not in seen:
            shutil.copy(lungs / "real" / row["file"], reals)
            rows.append([Path(row["file"]).name, "xray", "covid_19", row["patient_id"]])
    with (reals / "metadata.csv").open("w", encoding="utf-8") as handle:
        csv.writer(handle).writerows([["file", "modality", "condition", "patient"], *rows])
    path = write_protocol(
        tmp_path, real={"backend": "folder", "path": str(reals)}, generators=[str(straight(kind) / "tuned.yaml")],
        cells=[{"modality": "xray", "condition": "covid_19"}], set={"per_generator": 4, "pool": 5, "repeats": 0.0},
    )  # fmt: skip
    done = CliRunner().invoke(main, ["run", str(path)])
    assert done.exit_code == 0, (done.output, done.exception)
    (run,) = (tmp_path / "reports").glob("small-*")
    results = json.loads((run / "4-scores" / "results.json").read_text(encoding="utf-8"))
    (arm,) = [arm for arm in results["run"]["arms"] if arm["name"] == "tuned"]
    assert (arm["backend"], arm["model"], arm["stands_in"]) == ("stable_diffusion", "tiny Stable Diffusion", False)
    made = {row["arm"]: row for row in results["run"]["funnel"]}["tuned"]
    assert (made["made"], made["drawn"]) == (5, 4)
    assert (run / "report.html").is_file()


def test_the_loss_of_a_film_depends_on_its_own_draw_alone(base: Path, films: Path, tmp_path: Path) -> None:
    import torch

    from lungeval.training.task import draws_of

    task = task_of(write_recipe(tmp_path, base, films, "full", flip=True, dropout=0.3))
    task.prepare(torch.device("cpu"))
    with torch.no_grad():
        whole = float(task(draws_of(5, 0, 8, 24)))
        halves = [float(task(draws_of(5, 0, 8, 24, share=(rank, 2)))) for rank in range(2)]
    assert abs(whole - sum(halves) / 2) < 1e-6
    assert halves[0] != halves[1]


def test_films_and_captions_are_encoded_as_diffusers_does(base: Path, films: Path, tmp_path: Path) -> None:
    import torch
    from diffusers import StableDiffusionPipeline

    from lungeval.backends.stable_diffusion.loading import quiet
    from lungeval.training.latent_cache import latent_of

    task = task_of(write_recipe(tmp_path, base, films, "full", flip=True))
    assert "vae" not in dict(task.named_children())
    task.prepare(torch.device("cpu"))
    with quiet(), torch.no_grad():
        pipe: Any = StableDiffusionPipeline.from_pretrained(base)
        film = torch.from_numpy(task._pixels[3].copy()).float() / 127.5 - 1
        for way, image in ((0, film), (1, film.flip(-1))):
            posterior = pipe.vae.encode(image.expand(1, 3, -1, -1)).latent_dist
            expected = posterior.sample(torch.Generator().manual_seed(9))[0] * pipe.vae.config.scaling_factor
            found = latent_of(task._moments[way][3], torch.Generator().manual_seed(9), task._scale)
            assert float((found - expected).abs().max()) < 2e-3 * float(expected.abs().max())
        for caption in ("", task.captions[3]):
            expected = pipe.encode_prompt(caption, "cpu", 1, False)[0]
            assert torch.equal(task._text([caption]), expected)
    assert set(task.captions) == {
        "AP chest x-ray, normal", "PA chest x-ray, normal", "chest radiograph without findings",
        "AP chest x-ray with covid pneumonia", "PA chest x-ray with covid pneumonia",
    }  # fmt: skip
    assert task.captions[:3] == [f"{view} chest x-ray with covid pneumonia" for view in ("AP", "PA", "AP")]


def test_dropped_captions_are_empty_ones(base: Path, films: Path, tmp_path: Path) -> None:
    import torch

    from lungeval.training.task import draws_of

    task = task_of(write_recipe(tmp_path, base, films, "lora", dropout=0.25))
    task.prepare(torch.device("cpu"))
    asked: list[str] = []
    read = task._text
    task._text = lambda captions: asked.extend(captions) or read(captions)
    with torch.no_grad():
        for step in range(10):
            task(draws_of(0, step, 16, 24))
    share = asked.count("") / len(asked)
    assert 0.15 < share < 0.35


def test_the_text_encoder_learns_where_asked(base: Path, films: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    path = write_recipe(tmp_path, base, films, "full", steps=2, text_encoder=True, dropout=0.0)
    train(path)
    name = "text_encoder/model.safetensors"
    before, after = load_file(base / name), load_file(tmp_path / "out" / name)
    changed = {key for key in before if not bool((before[key] == after[key]).all())}
    assert any("self_attn" in key for key in changed)
    assert any("token_embedding" in key for key in changed)


def test_lora_with_bf16_and_checkpointing_learns_and_predicts_v(base: Path, films: Path, tmp_path: Path) -> None:
    import torch

    from lungeval.training.task import draws_of

    shutil.copytree(base, tmp_path / "v")
    config = tmp_path / "v" / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace('"prediction_type": "epsilon"', '"prediction_type": "v_prediction"'))
    path = write_recipe(
        tmp_path, tmp_path / "v", films, "lora", steps=3, precision="bf16", gradient_checkpointing=True, min_snr=None
    )
    train(path)
    assert json.loads((tmp_path / "out" / "lungeval.json").read_text())["prediction_type"] == "v_prediction"
    plain = task_of(write_recipe(tmp_path / "plain", tmp_path / "v", films, "lora", min_snr=None))
    saving = task_of(path)
    results = []
    for task in (plain, saving):
        task.prepare(torch.device("cpu"))
        loss = task(draws_of(0, 0, 2, 24))
        loss.backward()
        results.append([float(loss.detach()), *(p.grad for p in task.trained().values() if p.grad is not None)])
    assert results[0][0] == results[1][0]
    assert all(torch.allclose(a, b) for a, b in zip(results[0][1:], results[1][1:], strict=True))


def refused(path: Path) -> LungevalError:
    with pytest.raises(LungevalError) as caught:
        train(path)
    return caught.value


def test_a_base_that_cannot_be_trained_is_told(base: Path, films: Path, tmp_path: Path) -> None:
    path = write_recipe(tmp_path / "a", tmp_path / "sd15", films, "lora")
    error = refused(path)
    assert error.exit is Exit.BACKEND
    assert "sd15" in error.what
    assert error.where == f"{path}: train.base"
    assert "train.base" in error.remedy
    error = refused(write_recipe(tmp_path / "b", tiny_sdxl(tmp_path / "xl", size=32), films, "full"))
    assert (error.code, "StableDiffusionXLPipeline" in error.what) == ("backend", True)
    assert "1.x or 2.x" in error.remedy


def test_faults_of_the_recipe_are_told(base: Path, films: Path, tmp_path: Path) -> None:
    prompts = {"xray/no_finding": "chest x-ray"}
    error = refused(write_recipe(tmp_path / "a", base, films, "lora", prompts=prompts))
    assert error.what == "prompts: none for xray/covid_19, of which there are training films"
    error = refused(write_recipe(tmp_path / "b", base, films, "lora", targets=["nowhere"]))
    assert "targets: nowhere" in error.what


def test_a_training_goes_on_only_with_the_same_base_and_words(base: Path, films: Path, tmp_path: Path) -> None:
    from lungeval.training.recipe import plan_of

    def digest(folder: str, base: Path, **changes: Any) -> str:
        path = write_recipe(tmp_path / folder, base, films, "lora", **changes)
        return plan_of(load_generator(path), path).digest("data")

    moved = tmp_path / "moved"
    shutil.copytree(base, moved)
    first = digest("a", base)
    assert digest("b", moved) == first
    assert digest("a", base, keep=5) == first
    assert digest("a", base, prompts={**PROMPTS, "xray/covid_19": "covid"}) != first
    other = tiny_sd(tmp_path / "other", size=SIZE, seed=1)
    assert digest("a", other) != first


def test_prompts_under_the_words_that_makes_maps(base: Path, films: Path, tmp_path: Path) -> None:
    from lungeval.training.films import load_films
    from lungeval.training.latent_base import captions_of
    from lungeval.training.recipe import plan_of

    mapping = [{"modality": "xray", "condition": {"normal": "no_finding", "covid_19": "covid_19"}}]
    prompts = {"xray/normal": "normal chest", "xray/covid_19": "covid"}
    path = write_recipe(tmp_path, base, films, "lora", prompts=prompts, makes=mapping)
    plan = plan_of(load_generator(path), path)
    assert captions_of(load_films(plan, QUIET), plan) == ["covid"] * 12 + ["normal chest"] * 12


def test_a_base_from_the_hub_is_named_with_its_commit(
    base: Path, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    path = write_recipe(tmp_path / "a", base, films, "lora", steps=1)
    path.write_text(re.sub("base: .*", "base: someone/sd", path.read_text()))
    error = refused(path)
    assert (error.exit, "someone/sd" in error.what) == (Exit.BACKEND, True)
    held = tmp_path / "hub" / "models--someone--sd"
    shutil.copytree(base, held / "snapshots" / commit)
    (held / "refs").mkdir()
    (held / "refs" / "main").write_text(commit)
    train(path)
    card = json.loads((tmp_path / "a" / "out" / "lungeval.json").read_text(encoding="utf-8"))
    assert (card["base"], card["base_revision"]) == ("someone/sd", commit)


def test_a_logged_mean_spans_the_stop(base: Path, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lungeval.training import loop

    class StopError(Exception):
        pass

    write = loop._checkpoint

    def stopping(scratch: Path, step: int, *rest: Any) -> None:
        write(scratch, step, *rest)
        if step == 3:
            raise StopError

    numbers = {"steps": 6, "log_every": 4, "checkpoint_every": 3}
    train(write_recipe(tmp_path / "a", base, films, "lora", **numbers))
    path = write_recipe(tmp_path / "b", base, films, "lora", **numbers)
    monkeypatch.setattr(loop, "_checkpoint", stopping)
    with pytest.raises(StopError):
        train(path)
    monkeypatch.undo()
    train(path)
    logs = []
    for folder in ("a", "b"):
        lines = (tmp_path / folder / "out" / "training" / "log.jsonl").read_text(encoding="utf-8").splitlines()
        logs.append([(row["step"], row["loss"]) for row in map(json.loads, lines)])
    assert logs[0] == logs[1]
    assert [step for step, _ in logs[0]] == [4, 6]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "lora"])
def test_two_processes_learn_what_one_does(kind: str, base: Path, films: Path, tmp_path: Path) -> None:
    train(write_recipe(tmp_path / "one", base, films, kind, steps=6, batch=4, log_every=2))
    both = write_recipe(tmp_path / "two", base, films, kind, steps=6, batch=4, log_every=2)
    script = tmp_path / "go.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom accelerate.state import AcceleratorState\n"
        "from lungeval.progress import Progress\nfrom lungeval.training import train\n"
        "train(Path(sys.argv[1]), Progress())\nstate = AcceleratorState()\n"
        "Path(sys.argv[2], f'process-{state.process_index}').write_text(str(state.num_processes))\n"
    )
    launch = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launch, str(script), str(both), str(tmp_path)], capture_output=True, text=True, timeout=300, check=False,
        env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert [path.read_text() for path in sorted(tmp_path.glob("process-*"))] == ["2", "2"]
    one, two = state_of(tmp_path / "one", 6), state_of(tmp_path / "two", 6)
    for part in ("weights", "means"):
        assert max(float((one[part][name] - two[part][name]).abs().max()) for name in one[part]) < 1e-4


def test_what_may_be_shared_names_no_place(base: Path, films: Path, tmp_path: Path) -> None:
    from lungeval.training.latent_base import card_of, find_base
    from lungeval.training.recipe import plan_of

    path = write_recipe(tmp_path, base, films, "lora", steps=1)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["train"]["base"] = str(base)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    plan = plan_of(load_generator(path), path)
    assert card_of(plan, find_base(plan), "epsilon")["base"] == "sd"
    train(path)
    for file in (tmp_path / "out").rglob("*"):
        if file.is_file() and "training" not in file.relative_to(tmp_path / "out").parts:
            assert str(base.parent).encode() not in file.read_bytes(), file.name
            assert str(films).encode() not in file.read_bytes(), file.name
    from lungeval.backends.base import Context
    from lungeval.backends.stable_diffusion import StableDiffusionBackend

    arm = StableDiffusionBackend(Context("tuned", load_generator(path), tmp_path, 1, str(path)))
    assert arm.offer(Cell(modality="xray", condition="no_finding"), 1)  # its own file says where the base lies


@pytest.mark.parametrize("name", ["generation_gpu", "training_gpu"])
def test_a_benchmark_needs_no_installed_lungeval(name: str, tmp_path: Path) -> None:
    path = Path(__file__).parent.parent / "benchmarks" / f"{name}.py"
    places = os.pathsep.join(p for p in sys.path if p.endswith("site-packages"))
    done = subprocess.run(
        [sys.executable, "-S", "-W", "ignore", str(path), "--help"], cwd=tmp_path, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": places}, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_benchmark_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import importlib.util

    path = Path(__file__).parent.parent / "benchmarks" / "training_gpu.py"
    spec = importlib.util.spec_from_file_location("training_gpu", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main(["--tiny", "--kinds", "full", "--out", str(tmp_path / "out.json")]) == 0
    result = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [(row["kind"], row["way"]) for row in result["rows"]] == [
        ("full", "uncached"), ("full", "cached"),
    ]  # fmt: skip
    assert result["ratios"].keys() == {"full/2"}
    assert all(np.isfinite(row["loss"]) and row["images_per_s"] > 0 for row in result["rows"])
    assert "cached / uncached" in capsys.readouterr().out
