"""Where a model lies and what it is, told from its files alone: nothing here imports torch.

A folder is known by the hashes of what is loaded from it (weights; configurations without the paths and versions that
programs leave in them), a hub model by its commit. Both are part of every content key.
"""

from __future__ import annotations

import json
import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lungeval.backends.base import Context
from lungeval.backends.stable_diffusion.settings import Options
from lungeval.errors import LungevalError
from lungeval.keys import content_key, sha256_file

INDEX = "model_index.json"
"""Names the parts of a diffusers pipeline."""
LORA_WEIGHTS = "pytorch_lora_weights.safetensors"
"""What diffusers and `lungeval train` call a LoRA."""
CARD = "lungeval.json"
"""Written by `lungeval train` into its output: kind (lora, full), size, base, base_digest, base_revision."""
NOT_LOADED = ("safety_checker", "feature_extractor", "image_encoder")
"""Parts of a pipeline that make no pixel."""
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TRACES = ("_name_or_path", "_diffusers_version", "transformers_version", "_commit_hash", "name_or_path")
_hashes: dict[tuple[str, int, int], str] = {}


@dataclass(frozen=True)
class Located:
    """A model or a LoRA: a folder (or a file), or a hub repository at a commit."""

    folder: Path | None
    """Where it lies; None = on the hub."""
    repository: str = ""
    """owner/name on the hub."""
    commit: str = ""
    """Its commit."""

    @property
    def place(self) -> str:
        """What `from_pretrained` takes."""
        return self.repository if self.folder is None else str(self.folder)


@dataclass(frozen=True)
class Model:
    """All that an arm loads."""

    base: Located
    """The pipeline."""
    lora: Located | None = None
    """What is put upon it."""
    size: int | None = None
    """Side of the images that `lungeval train` trained it on, pixels."""
    base_digest: str = ""
    """Digest of the base that the LoRA was trained upon, where its card names one."""


def locate(context: Context, options: Options) -> Model:
    """The arm's model.

    A path that exists wins over a hub id. A folder that `lungeval train` wrote for a LoRA names its base itself.

    Raises:
        LungevalError: `protocol` where no path is given; `backend` where the model is not there, with the way to it.
    """
    if context.arm.path is None:
        raise LungevalError(
            "protocol", "path: the stable_diffusion backend needs one", where=context.where,
            remedy="give the folder of a diffusers pipeline, or a hub id such as stanfordmimi/RoentGen-v2",
        )  # fmt: skip
    folder = context.resolve(context.arm.path)
    lora = _adapter(context, options.lora, options.lora_revision) if options.lora else None
    if folder.is_dir() and not (folder / INDEX).is_file() and (folder / LORA_WEIGHTS).is_file():
        if lora is not None:
            raise LungevalError(
                "protocol", "options.lora: `path` is a LoRA already", where=context.where, remedy="keep one of them"
            )
        card = card_of(folder)
        digest_then = str(card.get("base_digest", ""))
        return Model(_base_of(context, folder, options, card), Located(folder), _size(card), digest_then)
    base = _pipeline(context, context.arm.path, options.revision)
    return Model(base, lora, _size(card_of(folder)))


def card_of(folder: Path) -> dict[str, Any]:
    """What `lungeval train` wrote beside its result; nothing where there is no card, or none that can be read."""
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def digest(located: Located) -> str:
    """SHA-256 (hex) of what is loaded, or hub id and commit: the same wherever the model lies."""
    if located.folder is None:
        return content_key(repository=located.repository, commit=located.commit)
    if not (located.folder / INDEX).is_file():
        return content_key(lora=_sha256(lora_file(located.folder)))
    return content_key(files={name: _hash_of(path) for name, path in loaded_files(located.folder).items()})


def loaded_files(folder: Path) -> dict[str, Path]:
    """Files of a pipeline's folder that its pixels depend on, by name; .bin weights only where no safetensors are."""
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    files: dict[str, Path] = {}
    for part, kind in sorted(index.items()):
        if part.startswith("_") or part in NOT_LOADED or not isinstance(kind, list) or kind[0] is None:
            continue
        held = [path for path in sorted((folder / part).glob("*")) if path.is_file()]
        weights = [path for path in held if path.suffix == ".safetensors" and not _variant(path)]
        weights = weights or [path for path in held if path.suffix == ".bin" and not _variant(path)]
        texts = [path for path in held if path.suffix in (".json", ".txt", ".model")]
        files |= {f"{part}/{path.name}": path for path in [*weights, *texts] if ".index." not in path.name}
    return files


def parameters(folder: Path) -> int:
    """Parameters of a folder's weights, from the headers of its files; where there is none, four bytes count as one."""
    weights = [path for path in loaded_files(folder).values() if path.suffix in (".bin", ".safetensors")]
    return sum(_parameters(path) for path in weights)


def own_shape(folder: Path) -> tuple[int, int] | None:
    """Rows and columns that a pipeline makes by itself; None where its configuration does not say."""
    try:
        unet = json.loads((folder / "unet" / "config.json").read_text(encoding="utf-8"))
        vae = json.loads((folder / "vae" / "config.json").read_text(encoding="utf-8"))
        side = unet["sample_size"]
        rows, cols = side if isinstance(side, list) else (side, side)
        scale = 2 ** (len(vae["block_out_channels"]) - 1)
        return int(rows) * scale, int(cols) * scale
    except (OSError, ValueError, KeyError, TypeError):
        return None


def licence_of(located: Located) -> str:
    """The licence that a model card states in its front matter, or nothing."""
    card = located.folder / "README.md" if located.folder else cached(located.repository, "README.md", located.commit)
    if card is None or not card.is_file():
        return ""
    match = re.match(r"\s*---\n(.*?)\n---", card.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
    lines = (
        dict(re.findall(r"^(license(?:_name)?):[ \t]*[\"']?([^\"'\n#]+?)[\"']?[ \t]*$", match[1], re.M))
        if match
        else {}
    )
    stated: str = lines.get("license", "")
    return lines.get("license_name", stated) if stated == "other" else stated


def lora_file(place: Path) -> Path:
    """The weights of a LoRA: the file itself, the folder's standard one, or its only .safetensors file.

    Raises:
        LungevalError: `backend` where there is none, or several.
    """
    if place.is_file():
        return place
    if (place / LORA_WEIGHTS).is_file():
        return place / LORA_WEIGHTS
    found = sorted(place.glob("*.safetensors"))
    if len(found) == 1:
        return found[0]
    held = ", ".join(path.name for path in found) or "no .safetensors file"
    raise LungevalError("backend", f"{place} holds {held}", remedy=f"name the LoRA {LORA_WEIGHTS}, or give its file")


def cached(repository: str, name: str, revision: str) -> Path | None:
    """A file of a hub model in the local cache, or None."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, name, revision=revision or "main")
    return Path(found) if isinstance(found, str) else None


def _pipeline(context: Context, text: str, revision: str | None) -> Located:
    folder = context.resolve(text)
    remedy = _training(context, folder) or "put the model there, or correct `path`"
    if folder.is_dir():
        if (folder / INDEX).is_file():
            _whole(folder, context, remedy)
            return Located(folder)
        raise LungevalError(
            "backend", f"{folder} holds no {INDEX}: it is not the folder of a diffusers pipeline",
            where=context.where, remedy=remedy,
        )  # fmt: skip
    if folder.is_file():
        raise LungevalError(
            "backend", f"{folder} is one file, and a diffusers pipeline is a folder", where=context.where,
            remedy="convert it once: StableDiffusionPipeline.from_single_file(FILE).save_pretrained(FOLDER)",
        )  # fmt: skip
    if not _HUB_ID.fullmatch(text) or _training(context, folder):
        raise LungevalError("backend", f"no folder {folder}", where=context.where, remedy=remedy)
    return _on_hub(context, text, revision, INDEX, folder)


def _adapter(context: Context, text: str, revision: str | None) -> Located:
    place = context.resolve(text)
    if place.exists():
        lora_file(place)
        return Located(place)
    if not _HUB_ID.fullmatch(text):
        remedy = _training(context, place) or "put the LoRA there, or correct `options.lora`"
        raise LungevalError("backend", f"no folder {place}", where=context.where, remedy=remedy)
    return _on_hub(context, text, revision, LORA_WEIGHTS, place)


def _size(card: dict[str, Any]) -> int | None:
    size = card.get("size")
    return size if isinstance(size, int) and size > 0 else None


def _base_of(context: Context, folder: Path, options: Options, card: dict[str, Any]) -> Located:
    """The pipeline that a LoRA folder was trained upon: by its own card, else by the generator's `train.base`."""
    train = context.arm.train
    named = [base for base in (card.get("base"), train.base if train else None) if isinstance(base, str) and base]
    revision = options.revision or card.get("base_revision")
    for base in named:
        for there in (folder / base, context.resolve(base)):
            if there.is_dir():
                return _pipeline(context, str(there.resolve()), None)
    if not named:
        raise LungevalError(
            "backend", f"{folder} is a LoRA and does not name its base", where=context.where,
            remedy="set path: to the base model, and options.lora: to this folder",
        )  # fmt: skip
    return _pipeline(context, next((base for base in named if _HUB_ID.fullmatch(base)), named[0]), revision)


def _on_hub(context: Context, repository: str, revision: str | None, name: str, folder: Path) -> Located:
    """A hub repository at its commit: the given one, the cached one, or the hub's newest."""
    if revision and _COMMIT.fullmatch(revision):
        if cached(repository, name, revision) is None and _offline():
            raise _not_there(context, repository, folder, "HF_HUB_OFFLINE is set and it is not in the cache")
        return Located(None, repository, revision)
    found = cached(repository, name, revision or "main")
    if found is not None and _COMMIT.fullmatch(found.parent.name):
        return Located(None, repository, found.parent.name)
    if _offline():
        raise _not_there(context, repository, folder, "HF_HUB_OFFLINE is set and it is not in the cache")
    from huggingface_hub import HfApi

    try:
        commit = HfApi().model_info(repository, revision=revision, timeout=15.0).sha
    except Exception as error:
        raise _not_there(context, repository, folder, f"{type(error).__name__}: {_line(error)}") from error
    if not commit:
        raise _not_there(context, repository, folder, "the hub names no commit")
    return Located(None, repository, commit)


def _not_there(context: Context, repository: str, folder: Path, why: str) -> LungevalError:
    return LungevalError(
        "backend", f"no folder {folder}, and the hub model '{repository}' cannot be had ({why})", where=context.where,
        remedy=f"fetch it where there is a network (`hf download {repository}`; gated models need HF_TOKEN in the "
        "environment), or set path: to a folder with a copy",
    )  # fmt: skip


def _training(context: Context, folder: Path) -> str:
    """The remedy where the missing model is what this generator's own training makes."""
    train = context.arm.train
    if train is None or not train.out or context.resolve(train.out) != folder:
        return ""
    if re.search(r":\d+$", context.where):  # a block in a protocol
        return "train it first: put this generator into a file of its own, and lungeval train FILE"
    return f"train it first: lungeval train {context.where or 'FILE'}"


def _whole(folder: Path, context: Context, remedy: str) -> None:
    """Refuse a folder whose parts are missing, before hours are spent on another arm."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        parts = [k for k, v in index.items() if not k.startswith("_") and isinstance(v, list) and v[0] is not None]
    except (ValueError, AttributeError, IndexError):
        raise LungevalError("backend", f"{folder / INDEX} is damaged", where=context.where, remedy=remedy) from None
    missing = [part for part in parts if part not in NOT_LOADED and not (folder / part).is_dir()]
    if missing:
        what = f"{folder} lacks {', '.join(missing)}, which its {INDEX} names"
        raise LungevalError("backend", what, where=context.where, remedy=remedy)


def _offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _variant(path: Path) -> bool:
    """Whether a weights file is a second copy in another precision, such as model.fp16.safetensors."""
    return any(suffix in (".fp16", ".bf16", ".non_ema") for suffix in path.suffixes)


def _hash_of(path: Path) -> str:
    if path.suffix == ".json":
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            return _sha256(path)
        if isinstance(content, dict):
            return content_key(config={key: value for key, value in content.items() if key not in _TRACES})
    return _sha256(path)


def _sha256(path: Path) -> str:
    """SHA-256 of a file, once a process while its size and time stay."""
    stat = path.stat()
    slot = (str(path.resolve()), stat.st_size, stat.st_mtime_ns)
    if slot not in _hashes:
        _hashes[slot] = sha256_file(path)
    return _hashes[slot]


def _parameters(path: Path) -> int:
    """Values in a weights file; a safetensors file begins with the length of its header, and the header."""
    try:
        with path.open("rb") as handle:
            (length,) = struct.unpack("<Q", handle.read(8))
            header: dict[str, Any] = json.loads(handle.read(min(length, 100_000_000)))
        return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    except (struct.error, ValueError, KeyError, TypeError, AttributeError):
        return path.stat().st_size // 4


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]
