"""BiomedCLIP by open_clip: the image side of a network trained on figures and captions of PubMed Central."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lungeval.errors import LungevalError
from lungeval.extractors.base import slug
from lungeval.extractors.torch_runner import need
from lungeval.extractors.vision_input import VisionExtractor, VisionInput

REPOSITORY = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
"""On the hub."""


class BiomedClip(VisionExtractor):
    """Its image embedding, scaled to length 1 (as CMMD wants it).

    Args:
        folder: a folder with open_clip_config.json and the weights; empty = the published one, from the hub's cache or
            the hub.

    Source: Zhang et al. 2025, A multimodal biomedical foundation model trained from fifteen million image-text pairs,
    NEJM AI 2 (arXiv:2303.00915).

    Raises:
        LungevalError: `backend` where open_clip or the model are not there.
    """

    licence = "MIT"
    feature = "the image embedding divided by its length"
    source = "Zhang et al. 2025, NEJM AI 2 (arXiv:2303.00915)"

    def __init__(self, folder: str = "") -> None:
        super().__init__()
        self._place = f"local-dir:{Path(folder).expanduser()}" if folder else f"hf-hub:{REPOSITORY}"
        self.name = slug("biomedclip", Path(folder).name if folder else "")

    def _described(self) -> VisionInput:
        given = self._loaded().visual.preprocess_cfg
        size = given["size"]
        side = int(size if isinstance(size, int) else size[0])
        return VisionInput(side, tuple(map(float, given["mean"])), tuple(map(float, given["std"])))

    def _build(self) -> Any:
        try:
            import open_clip
        except ImportError as error:
            raise need(self.name, "open_clip_torch", "extractors", error) from error
        try:
            return open_clip.create_model(self._place, precision="fp32", device="cpu")
        except (OSError, RuntimeError, ValueError) as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
            raise LungevalError(
                "backend", f"the model {self._place} of the extractor {self.name} cannot be read: {first}",
                remedy=f"fetch it once where there is a network (`hf download {REPOSITORY}`), or give its folder: "
                "biomedclip:PATH",
            ) from error  # fmt: skip

    def _forward(self, network: Any, tensor: Any) -> Any:
        return network.encode_image(tensor, normalize=True)
