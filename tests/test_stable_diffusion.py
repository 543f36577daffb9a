"""The `stable_diffusion` backend on a tiny but real model: the same images as diffusers', whatever the batch."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import write_protocol
from tiny_sd import tiny_sd, tiny_sdxl

from lungeval.backends.base import Context, Item, Made
from lungeval.backends.stable_diffusion import StableDiffusionBackend, locating
from lungeval.errors import Exit, LungevalError
from lungeval.progress import Progress
from lungeval.protocol import Cell, Generator

CELL = Cell(modality="xray", condition="no_finding")
PROMPTS = ["chest x-ray, normal", "chest radiograph without findings"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Told(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text.strip())


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sd(tmp_path_factory.mktemp("tiny") / "sd", size=32)


@pytest.fixture(scope="session")
def model_xl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sdxl(tmp_path_factory.mktemp("tiny") / "sdxl", size=32)


@pytest.fixture(scope="session")
def lora(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA of the model, as `lungeval train` lays it out."""
    return make_lora(tmp_path_factory.mktemp("lora"), model)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)


def make_lora(folder: Path, model: Path) -> Path:
    import torch
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    from lungeval.backends.stable_diffusion.loading import quiet

    with quiet(), torch.random.fork_rng():
        torch.manual_seed(3)
        pipe: Any = StableDiffusionPipeline.from_pretrained(model)
        pipe.unet.add_adapter(
            LoraConfig(r=4, init_lora_weights="gaussian", target_modules=["to_q", "to_k", "to_v", "to_out.0"])
        )
        for name, parameter in pipe.unet.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.5)
        state = convert_state_dict_to_diffusers(get_peft_model_state_dict(pipe.unet))
        StableDiffusionPipeline.save_lora_weights(folder, unet_lora_layers=state)
    (folder / "lungeval.json").write_text(json.dumps({"kind": "lora", "base": str(model)}))
    return folder


def backend(path: Path | str, *, seed: int = 7, arm: dict[str, Any] | None = None, **options: Any) -> Any:
    settings = {"steps": 3, "batch": 4} | options
    block = {"name": "sd", "backend": "stable_diffusion", "path": str(path), "prompts": {"xray/no_finding": PROMPTS}}
    generator = Generator.model_validate(block | {"options": settings} | (arm or {}))
    context = Context("sd", generator, Path("/nowhere"), seed, "sd.yaml", progress=Told())
    return StableDiffusionBackend(context)


def made(path: Path | str, count: int = 4, **settings: Any) -> list[Made]:
    arm = backend(path, **settings)
    return list(arm.make(arm.offer(CELL, count)))


def pixels(path: Path | str, count: int = 4, **settings: Any) -> np.ndarray[Any, Any]:
    results = made(path, count, **settings)
    assert [result.outcome for result in results] == ["made"] * count
    return np.stack([result.pixels for result in results if result.pixels is not None])


def difference(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def plain(pipe: Any, items: list[Item], steps: int, guidance: float, negative: str = "") -> np.ndarray[Any, Any]:
    """Grey images by the pipeline's own call, one generator an image, converted here and not by lungeval."""
    import torch

    pipe.set_progress_bar_config(disable=True)
    colours = pipe(
        [item.prompt for item in items], num_inference_steps=steps, guidance_scale=guidance, output_type="np",
        generator=[torch.Generator("cpu").manual_seed(item.seed or 0) for item in items],
        negative_prompt=[negative] * len(items) if negative else None,
    ).images  # fmt: skip
    return np.round(np.round(colours * 255) @ np.array([0.299, 0.587, 0.114]))[:, None].astype(np.uint8)


# --- the same images as diffusers ---


@pytest.mark.parametrize(
    ("word", "solver", "changed", "guidance", "negative"),
    [
        ("dpmsolver++", "DPMSolverMultistepScheduler", {}, 7.5, ""),
        ("unipc", "UniPCMultistepScheduler", {}, 4.0, "lateral view"),
        ("ddim", "DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}, 7.5, ""),
        ("euler", "EulerDiscreteScheduler", {}, 1.0, ""),
        ("keep", None, {}, 7.5, ""),
    ],
)
def test_images_are_those_of_the_plain_pipeline(
    model: Path, word: str, solver: str | None, changed: dict[str, Any], guidance: float, negative: str
) -> None:
    import diffusers

    from lungeval.backends.stable_diffusion.loading import quiet

    arm = backend(model, scheduler=word, steps=5, guidance=guidance, negative_prompt=negative)
    items = arm.offer(CELL, 4)
    ours = np.stack([result.pixels for result in arm.make(items)])
    with quiet():
        pipe: Any = diffusers.StableDiffusionPipeline.from_pretrained(model)
        if solver:
            pipe.scheduler = getattr(diffusers, solver).from_config(pipe.scheduler.config, **changed)
        theirs = plain(pipe, items, 5, guidance, negative)
    print(f"{word}: max difference {difference(ours, theirs)} grey levels")
    assert difference(ours, theirs) <= 1
    assert ours.std() > 10


def test_xl_too(model_xl: Path) -> None:
    import diffusers

    from lungeval.backends.stable_diffusion.loading import quiet

    arm = backend(model_xl, batch=2, guidance=5.0)
    items = arm.offer(CELL, 2)
    ours = np.stack([result.pixels for result in arm.make(items)])
    with quiet():
        pipe: Any = diffusers.StableDiffusionXLPipeline.from_pretrained(model_xl)
        pipe.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
        theirs = plain(pipe, items, 3, 5.0)
    assert difference(ours, theirs) <= 1
    assert ours.std() > 10


def test_other_pipelines_are_called_as_they_are(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lungeval.backends.stable_diffusion import sampling

    ours = pixels(model, negative_prompt="lateral view", size=32)
    monkeypatch.setattr(sampling, "OURS", ())
    assert difference(ours, pixels(model, negative_prompt="lateral view", size=32)) <= 1


# --- what an image depends on ---


def test_the_same_request_gives_the_same_bytes(model: Path) -> None:
    assert np.array_equal(pixels(model, 5), pixels(model, 5))


def test_no_neighbour_and_no_order_matters(model: Path) -> None:
    arm = backend(model)
    first = arm.offer(CELL, 8)
    by_key = {result.item.key: result.pixels for result in arm.make(first)}
    mixed = [first[n] for n in (6, 1, 3, 0)]  # 1 keeps its place in the batch, the others move
    again = {result.item.key: result.pixels for result in arm.make(mixed)}
    assert np.array_equal(again[first[1].key], by_key[first[1].key])
    assert all(difference(again[item.key], by_key[item.key]) <= 1 for item in mixed)


def test_the_batch_size_changes_rounding_alone(model: Path) -> None:
    alone, several = pixels(model, 5, batch=1), pixels(model, 5, batch=4)
    changed = float((alone != several).mean())
    print(f"batch 1 against 4: max {difference(alone, several)} grey levels, {changed:.2%} of pixels changed")
    assert difference(alone, several) <= 1


def test_the_last_batch_is_filled_up(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lungeval.backends.stable_diffusion import sampling

    sizes: list[int] = []
    inner = sampling.sample
    monkeypatch.setattr(sampling, "sample", lambda *a: sizes.append(len(a[2])) or inner(*a))
    assert len(made(model, 5)) == 5
    assert sizes == [4, 4]


def test_seed_prompt_and_settings_matter(model: Path) -> None:
    base = pixels(model, 2, batch=2)
    assert difference(base[0], base[1]) > 10
    for changed in ({"seed": 8}, {"guidance": 3.0}, {"steps": 5}, {"negative_prompt": "lateral view"}):
        assert difference(pixels(model, 2, batch=2, **changed), base) > 10, changed


def test_more_images_are_the_same_and_more(model: Path) -> None:
    assert backend(model).offer(CELL, 9)[:4] == backend(model).offer(CELL, 4)
    items = backend(model).offer(CELL, 9)
    assert len({item.key for item in items}) == len({item.cluster for item in items}) == 9
    assert [item.prompt for item in items[:4]] == PROMPTS * 2


def test_text_is_encoded_once_a_prompt(model: Path) -> None:
    arm = backend(model)
    items = arm.offer(CELL, 8)
    list(arm.make(items[:1]))
    calls: list[str] = []
    inner = arm._sampler.loaded.pipe.encode_prompt
    arm._sampler.loaded.pipe.encode_prompt = lambda **k: calls.append(k["prompt"]) or inner(**k)
    list(arm.make(items))
    assert calls == [PROMPTS[1]]


# --- keys ---


def fake_model(folder: Path, weights: bytes = b"weights") -> Path:
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "X", "unet": ["diffusers", "UNet"]}))
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(weights)
    (folder / "unet" / "config.json").write_text(json.dumps({"sample_size": 64, "_name_or_path": str(folder)}))
    return folder


def test_the_key_is_fixed(tmp_path: Path) -> None:
    (item,) = backend(fake_model(tmp_path / "a"), steps=4).offer(CELL, 1)
    assert item.key == "372350048397006ca35e605e082364d24da74ad35f34421eee1631e6bce9bd0b"
    assert item.seed == int(item.key[:16], 16) >> 1


def test_keys_leave_out_where_and_how_fast(tmp_path: Path) -> None:
    def key(path: Path, **settings: Any) -> str:
        found: list[Item] = backend(path, **settings).offer(CELL, 1)
        return found[0].key

    one = fake_model(tmp_path / "a")
    base = key(one)
    assert key(fake_model(tmp_path / "elsewhere")) == base
    (one / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"a second copy that is not loaded")
    (one / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"another")
    (one / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n")
    assert key(one) == base
    for left_out in ({"batch": 1}, {"device": "cuda"}, {"threads": 2}, {"compile": True}, {"channels_last": True}):
        assert key(one, **left_out) == base, left_out
    for part in (
        {"steps": 5}, {"guidance": 5.0}, {"scheduler": "ddim"}, {"size": 64}, {"dtype": "bf16"}, {"seed": 8},
        {"negative_prompt": "text"}, {"arm": {"prompts": {"xray/no_finding": "another"}}},
    ):  # fmt: skip
        assert key(one, **part) != base, part
    assert key(fake_model(tmp_path / "other", b"other weights")) != base
    assert backend(one).offer(CELL, 1)[0].licence == "cc-by-4.0"
    assert backend(one, arm={"licence": "mine"}).offer(CELL, 1)[0].licence == "mine"


# --- LoRA ---


def test_a_lora_changes_the_images(model: Path, lora: Path, tmp_path: Path) -> None:
    base, upon = pixels(model, 2, batch=2), backend(model, lora=str(lora), batch=2)
    items = upon.offer(CELL, 2)
    seeds = {item.seed for item in items}
    assert seeds.isdisjoint({item.seed for item in backend(model).offer(CELL, 2)})
    with_lora = np.stack([result.pixels for result in upon.make(items)])
    same_noise = backend(model, batch=2)
    without = np.stack([result.pixels for result in same_noise.make(items)])
    assert difference(with_lora, without) > 3
    assert difference(base, with_lora) > 10
    none = backend(model, lora=str(lora), lora_scale=0.0, batch=2)
    assert difference(np.stack([result.pixels for result in none.make(items)]), without) <= 1
    # the folder that `lungeval train` writes names its base itself, and is the same request
    own = backend(lora, batch=2)
    assert [item.key for item in own.offer(CELL, 2)] == [item.key for item in items]
    assert np.array_equal(np.stack([result.pixels for result in own.make(items)]), with_lora)
    # moved, with a base that is gone: the generator's own `train.base` serves
    moved = Path(shutil.copytree(lora, tmp_path / "moved"))
    train = {"recipe": "lora", "base": str(model)}
    card = {"kind": "lora", "base": "gone/gone/gone", "base_digest": locating.digest(locating.Located(model))}
    (moved / "lungeval.json").write_text(json.dumps(card))
    assert backend(moved, arm={"train": train}).offer(CELL, 2) == items
    # trained at another size than the base's own, and upon a base with other weights
    (moved / "lungeval.json").write_text(json.dumps(card | {"size": 16}))
    assert backend(moved, arm={"train": train})._shape == (16, 16)
    assert backend(moved, arm={"train": train}, size=64)._shape == (64, 64)
    (moved / "lungeval.json").write_text(json.dumps(card | {"base_digest": "0" * 64}))
    with pytest.raises(LungevalError, match="was trained upon another base: 000000000000"):
        backend(moved, arm={"train": train}).offer(CELL, 2)


# --- outcomes ---


def test_black_and_broken_images_fail(model: Path) -> None:
    import torch

    arm = backend(model)
    items = arm.offer(CELL, 4)
    list(arm.make(items[:1]))
    vae = arm._sampler.loaded.pipe.vae
    inner = vae.decode

    def decode(latents: torch.Tensor, **settings: Any) -> tuple[torch.Tensor]:
        image = inner(latents, **settings)[0]
        image[1] = -1.0
        image[2, 0, 0, 0] = torch.nan
        return (image,)

    vae.decode = decode
    results = list(arm.make(items))
    assert [result.outcome for result in results] == ["made", "failed", "failed", "made"]
    assert results[1].reason == "the image is one colour: every level is 0"
    assert "no numbers" in results[2].reason


def test_a_flagged_image_is_refused_not_blackened(model: Path, tmp_path: Path) -> None:
    """With a real safety checker whose thresholds are so low that it objects to everything."""
    import torch
    from diffusers import StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
    from transformers import CLIPConfig

    from lungeval.backends.stable_diffusion.loading import quiet

    with quiet():
        from transformers import CLIPImageProcessorPil

        small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        config = CLIPConfig(
            vision_config=small | {"image_size": 32, "patch_size": 16}, text_config=small, projection_dim=16
        )
        checker = StableDiffusionSafetyChecker(config)
        checker.concept_embeds_weights.data.fill_(-2.0)
        torch.nn.init.normal_(checker.concept_embeds)
        pipe: Any = StableDiffusionPipeline.from_pretrained(
            model, safety_checker=checker, requires_safety_checker=True,
            feature_extractor=CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        )  # fmt: skip
        pipe.save_pretrained(tmp_path / "checked")
    off, on = made(tmp_path / "checked", 2, batch=2), made(tmp_path / "checked", 2, batch=2, safety_checker=True)
    assert [result.outcome for result in off] == ["made", "made"]
    assert [result.outcome for result in on] == ["refused", "refused"]
    assert on[0].reason == "the model's safety checker objected"


def test_a_long_prompt_is_told_once(model: Path) -> None:
    arm = backend(model, batch=1, arm={"prompts": {"xray/no_finding": "chest x-ray with covid " * 40}})
    list(arm.make(arm.offer(CELL, 2)))
    cut = [line for line in arm._context.progress.lines if "is cut to 77" in line]
    assert len(cut) == 1


def test_the_next_arm_gets_the_memory(model: Path) -> None:
    one, other = backend(model), backend(model, seed=8)
    first = list(one.make(one.offer(CELL, 1)))
    list(other.make(other.offer(CELL, 1)))
    assert one._sampler is None
    assert other._sampler is not None
    assert np.array_equal(next(iter(one.make(one.offer(CELL, 1)))).pixels, first[0].pixels)


def test_forecast(model: Path) -> None:
    arm = backend(model, arm={"licence": "x"})
    told = arm.forecast(arm.offer(CELL, 10))
    assert told.done == 0
    assert told.disk_bytes == 10 * 32 * 32
    assert 4 * 1_064_000 < told.memory_bytes < 40e6


# --- faults ---


def fault(path: Path | str, **settings: Any) -> LungevalError:
    with pytest.raises(LungevalError) as caught:
        backend(path, **settings)
    return caught.value


def test_options_are_checked_at_once(model: Path) -> None:
    error = fault(model, stepps=5, guidance="high", size=100, height=64)
    told = str(error)
    assert error.exit == Exit.INPUT
    assert len(error.faults()) == 4
    assert "sd.yaml: options.stepps: unknown key; did you mean 'steps'?" in told
    assert "options.guidance: 'high' cannot be used" in told
    assert "options.size: 100 cannot be used" in told
    assert "options.size: given beside height or width" in told
    assert "options.height: given without width" in str(fault(model, height=64))
    assert "no effect without guidance" in str(fault(model, negative_prompt="text", guidance=1.0))
    assert "options.scheduler" in str(fault(model, scheduler="ddpm"))


def test_a_missing_model_names_its_training(tmp_path: Path) -> None:
    train = {"recipe": "lora", "base": "owner/name", "data": "x", "out": str(tmp_path / "out")}
    error = fault(tmp_path / "out", arm={"train": train})
    assert (error.code, error.exit) == ("backend", Exit.BACKEND)
    assert str(error) == f"sd.yaml: no folder {tmp_path / 'out'}; train it first: lungeval train sd.yaml"
    (tmp_path / "out").mkdir()
    assert "train it first" in str(fault(tmp_path / "out", arm={"train": train}))
    assert "put the model there" in str(fault(tmp_path / "no" / "such"))
    block = {"name": "sd", "backend": "stable_diffusion", "path": "out", "prompts": {"xray/no_finding": "x"}}
    inline = Generator.model_validate(block | {"train": train | {"out": "out"}})
    context = Context("sd", inline, tmp_path / "else", 1, "protocol.yaml:6:5")
    with pytest.raises(LungevalError, match="put this generator into a file of its own, and lungeval train FILE"):
        StableDiffusionBackend(context)
    with pytest.raises(LungevalError, match="path: the stable_diffusion backend needs one"):
        backend("", arm={"path": None})


def test_folders_that_are_no_model(model: Path, lora: Path, tmp_path: Path) -> None:
    assert "holds no model_index.json" in str(fault(tmp_path))
    assert "is one file" in str(fault(model / "unet" / "config.json"))
    part = Path(shutil.copytree(model, tmp_path / "part"))
    shutil.rmtree(part / "vae")
    assert f"{part} lacks vae, which its model_index.json names" in str(fault(part))
    (part / "model_index.json").write_text("{")
    assert "is damaged" in str(fault(part))
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(lora / locating.LORA_WEIGHTS, bare)
    assert "does not name its base" in str(fault(bare))
    assert "no folder" in str(fault(model, lora=str(tmp_path / "none" / "here")))
    assert "holds no .safetensors file" in str(fault(model, lora=str(model)))
    assert "`path` is a LoRA already" in str(fault(lora, lora=str(lora)))


def test_a_damaged_model_is_a_backend_fault(model: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(model, tmp_path / "broken"))
    (broken / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"not weights")
    with pytest.raises(LungevalError, match="the model cannot be loaded") as caught:
        made(broken)
    assert caught.value.exit == Exit.BACKEND
    with pytest.raises(LungevalError, match="there is no cuda device here"):
        made(model, device="cuda")


# --- the hub ---


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, and no network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def test_a_hub_model_that_cannot_be_had(offline: Path) -> None:
    for revision in (None, "main", COMMIT):
        error = fault("someone/lungs", revision=revision)
        assert (error.code, error.exit) == ("backend", Exit.BACKEND)
        assert "the hub model 'someone/lungs' cannot be had (HF_HUB_OFFLINE is set and it is not in the cache)" in str(
            error
        )
        assert "hf download someone/lungs" in error.remedy


def test_a_hub_model_in_the_cache(offline: Path, model: Path) -> None:
    held = offline / "models--someone--lungs"
    shutil.copytree(model, held / "snapshots" / COMMIT)
    (held / "snapshots" / COMMIT / "README.md").write_text("---\nlicense: other\nlicense_name: our-own\n---\n# x\n")
    (held / "refs").mkdir()
    (held / "refs" / "main").write_text(COMMIT)
    arm = backend("someone/lungs")
    assert arm.notices == [f"someone/lungs: revision not pinned; {COMMIT} is taken (options.revision)"]
    item = arm.offer(CELL, 1)[0]
    assert item.source == f"someone/lungs (someone/lungs@{COMMIT})"
    assert item.licence == "our-own"
    pinned = backend("someone/lungs", revision=COMMIT)
    assert pinned.notices == []
    assert pinned.offer(CELL, 1) == [item]
    local = backend(model)
    again = [Item(key=i.key, cell=i.cell, cluster="", payload=i.payload) for i in arm.offer(CELL, 4)]
    ours, theirs = (np.stack([r.pixels for r in a.make(again)]) for a in (arm, local))
    assert np.array_equal(ours, theirs)


# --- whole ---


def test_nothing_imports_torch_before_images_are_made(model: Path, tmp_path: Path) -> None:
    protocol = study(tmp_path, model)
    code = (
        "import sys\nfrom pathlib import Path\nfrom lungeval.validating import validate\n"
        f"report = validate(Path({str(protocol)!r}))\nassert not report.faults, report.faults\n"
        "assert not {'torch', 'diffusers', 'transformers', 'huggingface_hub'} & set(sys.modules), 'heavy'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def study(folder: Path, model: Path) -> Path:
    arm = {
        "name": "tiny", "backend": "stable_diffusion", "path": str(model), "model": "Tiny SD",
        "prompts": {"xray/no_finding": "{view} chest radiograph of a {sex}"},
        "options": {"steps": 3, "batch": 4, "size": 64, "slots": {"view": ["PA", "AP"], "sex": ["woman", "man"]}},
    }  # fmt: skip
    return write_protocol(folder, generators=[arm])


def test_a_whole_study(model: Path, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from lungeval.cli import main

    done = CliRunner().invoke(
        main, ["run", str(study(tmp_path, model)), "--reports", str(tmp_path / "reports"), "--json"]
    )
    assert done.exit_code == 0, done.output + done.stderr
    run = Path(json.loads(done.stdout)["data"]["run"])
    with (run / "0-images" / "manifest.csv").open(newline="") as handle:
        fakes = [row for row in csv.DictReader(handle) if row["arm"] == "tiny"]
    assert len(fakes) == 6
    assert {row["outcome"] for row in fakes} == {"made"}
    assert {row["prompt"] for row in fakes} == {
        f"{v} chest radiograph of a {s}" for v in ("PA", "AP") for s in ("woman", "man")
    }
    assert all(row["seed"] and row["source"].startswith("Tiny SD (sha256 ") for row in fakes)
    assert "balanced_accuracy" in (run / "4-scores" / "results.json").read_text()


# --- what ships ---


@pytest.mark.parametrize("name", ["roentgen-v2", "sd15-lungs-lora", "sd21-lungs"])
def test_shipped_generators_say_what_is_missing(
    name: str, offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lungeval.protocol_files import ASSETS, load_generator

    monkeypatch.setenv("HOME", str(tmp_path))
    file = ASSETS / f"{name}.yaml"
    generator = load_generator(file)
    assert generator.name == name
    with pytest.raises(LungevalError) as caught:
        StableDiffusionBackend(Context(name, generator, file.parent, 1, str(file)))
    assert caught.value.exit == Exit.BACKEND
    train = generator.train
    if train is None:
        assert "hf download stanfordmimi/RoentGen-v2" in caught.value.remedy
    else:
        from lungeval.training.recipe import plan_of

        assert generator.path == train.out
        assert caught.value.remedy == f"train it first: lungeval train {file}"
        assert plan_of(generator, file).steps == train.steps


def test_every_option_is_documented() -> None:
    from lungeval.backends.stable_diffusion.settings import Options

    page = (Path(__file__).parents[1] / "docs" / "stable-diffusion.md").read_text(encoding="utf-8")
    table = page.split("## Options")[1].split("## What an image depends on")[0]
    assert [name for name in Options.model_fields if f"`{name}`" not in table] == []
