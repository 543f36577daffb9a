"""A network of your own from a file: TorchScript, or a program saved by torch.export."""

from __future__ import annotations

from typing import Any

from lungeval.errors import LungevalError, did_you_mean, raise_all
from lungeval.extractors.base import slug
from lungeval.extractors.torch_runner import existing
from lungeval.extractors.vision_input import VisionExtractor, VisionInput
from lungeval.keys import sha256_file
from lungeval.yamlfile import Document, load

KEYS = ("name", "side", "channels", "range", "mean", "sd", "batch", "licence", "source")
"""What the YAML file beside the network may hold."""
EXPORTED = ".pt2"
"""Ending of a file of torch.export; everything else is read as TorchScript."""


class Checkpoint(VisionExtractor):
    """Any network that takes n x channels x side x side and gives n x features, saved with its architecture.

    A YAML file beside it, `net.yaml` for `net.pt`, says what it takes:

        name: my-encoder        # as results name it; else checkpoint-net
        side: 224               # of the input, pixels
        channels: 3             # 1 or 3
        range: [0, 1]           # what black and white become
        mean: [0.485, 0.456, 0.406]    # then (x - mean) / sd; a number, or one a channel
        sd: [0.229, 0.224, 0.225]
        batch: 16               # images at once; a program exported for one size takes that size alone
        licence: MIT
        source: its paper

    Without it the values are those above, with mean 0 and sd 1.

    Args:
        path: the network's file; .pt2 = torch.export, else TorchScript.

    Raises:
        LungevalError: `backend` where the file is not there or cannot be read; `protocol` where the YAML file is wrong.
    """

    feature = "the network's output"

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = existing("checkpoint", path)
        beside = self._path.with_suffix(".yaml")
        given = _options(load(beside)) if beside.is_file() else {}
        self.name = slug(str(given.get("name") or f"checkpoint-{self._path.stem}"))
        self.batch = given.get("batch", self.batch)
        self.licence = str(given.get("licence") or "not stated")
        self.source = str(given.get("source") or "not stated")
        channels = given.get("channels", 3)
        low, high = given.get("range", (0.0, 1.0))
        mean, sd = (_each(given.get(key, plain), channels) for key, plain in (("mean", 0.0), ("sd", 1.0)))
        self._vision = VisionInput(given.get("side", 224), mean, sd, low=float(low), high=float(high))

    @property
    def weights_sha256(self) -> str:
        """SHA-256 (hex) of the network's file."""
        if not self._hash:
            self._hash = sha256_file(self._path)
        return self._hash

    def _described(self) -> VisionInput:
        raise NotImplementedError  # it is known from the beginning

    def _build(self) -> Any:
        import torch

        try:
            if self._path.suffix == EXPORTED:
                return _Exported(torch.export.load(self._path).module())
            script: Any = torch.jit
            return script.load(self._path, map_location="cpu")
        except Exception as error:  # what a foreign file raises is not bounded
            first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise LungevalError(
                "backend", f"this is no network that can be read: {first}", where=str(self._path),
                remedy="save it with torch.jit.script(net).save(PATH) or torch.export.save(..., 'net.pt2')",
            ) from error  # fmt: skip

    def _forward(self, network: Any, tensor: Any) -> Any:
        import torch

        script: Any = torch.jit
        with script.optimized_execution(False):  # else the second batch is computed in another way than the first
            return network(tensor)


class _Exported:
    """An exported program with the few methods of a module that a runner calls: it is in evaluation mode for good."""

    def __init__(self, program: Any) -> None:
        self._program = program

    def eval(self) -> _Exported:
        return self

    def to(self, device: Any) -> _Exported:
        self._program = self._program.to(device)
        return self

    def __call__(self, tensor: Any) -> Any:
        return self._program(tensor)


def _options(document: Document) -> dict[str, Any]:
    """The YAML file's values, checked.

    Raises:
        LungevalError: `protocol`, every fault of it.
    """
    data: Any = document.data
    if not isinstance(data, dict):
        raise document.fault((), "keys and values are expected", f"known keys: {', '.join(KEYS)}")
    faults = [
        document.fault((key,), "unknown key", did_you_mean(str(key), KEYS), key=True) for key in data if key not in KEYS
    ]
    for key, (low, high) in {"side": (8, 4096), "batch": (1, 4096)}.items():
        if key in data and not (type(data[key]) is int and low <= data[key] <= high):
            faults.append(
                document.fault((key,), f"{data[key]!r} is no whole number from {low} to {high}", "correct it")
            )
    channels = data.get("channels", 3)
    if type(channels) is not int or channels not in (1, 3):
        faults.append(document.fault(("channels",), f"{channels!r} channels", "write 1 or 3"))
        channels = 3
    if "range" in data and not (_numbers(data["range"], 2) and data["range"][0] < data["range"][1]):
        faults.append(document.fault(("range",), f"{data['range']!r} is no range", "write [0, 1] or [-1024, 1024]"))
    for key in ("mean", "sd"):
        if key in data and not (_number(data[key]) or _numbers(data[key], channels)):
            what = f"{data[key]!r} is neither a number nor one a channel ({channels})"
            faults.append(document.fault((key,), what, "write a number, or a list of them"))
        elif key == "sd" and key in data and min(_each(data[key], channels)) <= 0:
            faults.append(document.fault((key,), f"{data[key]!r} is not above 0", "correct it"))
    raise_all(faults)
    return data


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(map(_number, value))


def _each(value: Any, channels: int) -> tuple[float, ...]:
    return tuple(map(float, value)) if isinstance(value, list) else (float(value),) * channels
