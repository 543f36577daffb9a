"""Running a network of torch as an extractor: the same bits for the same images on the same kind of device.

Evaluation mode, no gradients, batches of one size (the last is filled up), one thread on the processor, no TF32, no
search for the fastest algorithm. Two environment variables change where it runs: LUNGEVAL_THREADS (processor threads)
and LUNGEVAL_DEVICE (`cpu`, `cuda`, `cuda:1`); without the second, CUDA where there is one.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from lungeval.errors import LungevalError
from lungeval.extractors.base import Features, Image2D

THREADS = "LUNGEVAL_THREADS"
"""Processor threads of a network; unset = 1, the only number whose bits do not depend on the machine's load."""
DEVICE = "LUNGEVAL_DEVICE"
"""Where networks run."""
COLOURS = 3
"""Channels of a network of photographs; a grey input is repeated."""


class TorchExtractor(ABC):
    """An extractor whose features a network of torch computes. A subclass says how to build it and how to feed it.

    Raises:
        LungevalError: `backend` where the package, the weights or the device are not there; `plugin` where the features
            are NaN or infinite, or not one row an image.
    """

    name: str
    dimension: int = 0
    batch: int = 16
    """Images a batch."""
    channels_last: ClassVar[bool] = False
    """Memory order of the input; a matter of speed."""
    at_home: ClassVar[str] = ""
    """Device where LUNGEVAL_DEVICE is not set; empty = CUDA where there is one."""

    def __init__(self) -> None:
        self._network: Any = None

    @abstractmethod
    def _build(self) -> Any:
        """The network on the processor, its weights loaded and checked."""

    @abstractmethod
    def _input(self, image: Image2D) -> npt.NDArray[np.float32]:
        """The network's input: side x side (repeated for three channels), or channels x side x side."""

    def _forward(self, network: Any, tensor: Any) -> Any:
        """A batch of inputs to a batch of rows."""
        return network(tensor)

    def _loaded(self) -> Any:
        """The network in evaluation mode, built at the first call."""
        if self._network is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of libraries about themselves
                self._network = self._build().eval()
        return self._network

    def features(self, images: Iterable[Image2D]) -> Features:
        """One row an image, in the order given.

        Args:
            images: square, uint8, or uint16 over its full range.

        Raises:
            ValueError: an image is something else.
        """
        waiting = iter(images)
        found: list[Features] = []
        part = list(islice(waiting, self.batch))
        if not part:
            return np.zeros((0, self.dimension), np.float32)
        import torch

        device = chosen_device(self.at_home)
        with settled(device), torch.inference_mode():
            network = self._loaded().to(device)
            done = 0
            while part:
                tensor = self._tensor([self._input(image) for image in part]).to(device)
                found.append(self._checked(self._forward(network, tensor), len(part), done))
                done += len(part)
                part = list(islice(waiting, self.batch))
        return np.concatenate(found)

    def _tensor(self, inputs: list[npt.NDArray[np.float32]]) -> Any:
        """A full batch, zero where there is no image."""
        import torch

        grey = inputs[0].ndim == 2
        filled = np.zeros((self.batch, *((1,) if grey else ()), *inputs[0].shape), np.float32)
        for place, one in enumerate(inputs):
            filled[place] = one
        tensor = torch.from_numpy(filled)
        order = torch.channels_last if self.channels_last else torch.contiguous_format
        return (tensor.expand(-1, COLOURS, -1, -1) if grey else tensor).contiguous(memory_format=order)

    def _checked(self, output: Any, count: int, before: int) -> Features:
        """The rows of a batch's images as numpy, the dimension measured on them."""
        shape = tuple(getattr(output, "shape", ()))
        if len(shape) == 4 and shape[2:] == (1, 1):
            output, shape = output.flatten(1), shape[:2]
        if len(shape) != 2 or shape[0] != self.batch or shape[1] < 1:
            raise LungevalError(
                "plugin", f"the network {self.name} gave {_words(output)} for {self.batch} images, not one row of "
                "features an image", remedy="give the network before its classifier, pooled",
            )  # fmt: skip
        if self.dimension not in (0, shape[1]):
            raise LungevalError("plugin", f"the network {self.name} gave {shape[1]} features, not {self.dimension}")
        self.dimension = int(shape[1])
        found: Features = output[:count].float().cpu().numpy().copy()
        wrong = np.flatnonzero(~np.isfinite(found).all(axis=1)) + before
        if len(wrong):
            named = ", ".join(map(str, wrong[:5])) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
            raise LungevalError(
                "plugin", f"the network {self.name} gave NaN or infinite features for the images number {named} "
                "(counted from 0)", remedy="check these images and the weights",
            )  # fmt: skip
        return found


class Loading(TorchExtractor):
    """A network whose facts are known once it is loaded: the hash is of the tensors as they are in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._hash = ""

    @property
    def weights_sha256(self) -> str:
        """SHA-256 (hex) of names, types, shapes and bytes of the network's tensors; the network is loaded for it."""
        if not self._hash:
            self._hash = state_sha256(self._loaded())
        return self._hash


def chosen_device(at_home: str = "") -> Any:
    """The device of LUNGEVAL_DEVICE, or `at_home`, or CUDA where there is one.

    Raises:
        LungevalError: `backend` where LUNGEVAL_DEVICE names what is not there.
    """
    import torch

    asked = os.environ.get(DEVICE, "") or at_home
    if not asked:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(asked)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise LungevalError(
            "backend", f"{DEVICE} is '{asked}', and there is no such device: {str(error).splitlines()[0][:200]}",
            remedy="set it to cpu, or unset it",
        ) from error  # fmt: skip
    return device


@contextmanager
def settled(device: Any) -> Iterator[None]:
    """Threads and algorithms fixed inside, what was set before outside.

    Raises:
        LungevalError: `usage` where LUNGEVAL_THREADS is no number from 1.
    """
    import torch

    text = os.environ.get(THREADS, "") or "1"
    if not text.isdecimal() or int(text) < 1:
        raise LungevalError("usage", f"{THREADS} is '{text}'", remedy="set it to a number from 1, or unset it")
    before = torch.get_num_threads()
    torch.set_num_threads(int(text))
    try:
        if device.type == "cuda":
            with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
                yield
        else:
            yield
    finally:
        torch.set_num_threads(before)


def state_sha256(network: Any) -> str:
    """SHA-256 (hex) of a network's parameters and buffers: name, type, shape and bytes of each, by name."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name}:{plain.dtype}:{'x'.join(map(str, plain.shape))}:".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def need(extractor: str, package: str, extra: str, error: ImportError) -> LungevalError:
    """The error of a package that is not installed, with the command that brings it."""
    return LungevalError(
        "backend", f"the extractor {extractor} needs the package {package}: {error}",
        remedy=f"pip install 'lungeval[{extra}]'",
    )  # fmt: skip


def existing(extractor: str, argument: str) -> Path:
    """The file that an argument names.

    Raises:
        LungevalError: `backend` where there is none.
    """
    path = Path(argument).expanduser()
    if not argument or not path.is_file():
        what = f"there is no file {argument}" if argument else "it needs the path of a file"
        raise LungevalError("backend", f"the extractor {extractor}: {what}", remedy=f"write {extractor}:PATH")
    return path


def _words(output: Any) -> str:
    shape = getattr(output, "shape", None)
    return type(output).__name__ if shape is None else f"a tensor of shape {tuple(shape)}"
