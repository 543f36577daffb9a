"""FID-Inception of lungeval beside torch-fidelity's: the same random weights, the same images, the largest difference.

    python benchmarks/inception_equals_torch_fidelity.py

makes an environment of its own (torch, torchvision, torch-fidelity: about 6 GB of disk with a CUDA build), runs both
networks in it and removes it. No weights are fetched: random ones are drawn from --seed, their batch normalisation is
set from the images so that every layer has a spread, and both networks load the same file. Printed are the largest
differences of the network's input, of the last map before it is pooled (must be under 1e-5), of the features, and of
the features as the extractor gives them (in batches, in another memory order: the sums are taken in another order);
and, so that the comparison is known to be able to fail, the difference after each peculiarity of the 2015 graph is
undone.

    --into FOLDER      keep the environment there, or use the one that is there
    --torch 2.14.1     versions; on a machine of another kind, those that exist for it (aarch64: 2.9.1 and 0.24.1)
    --torchvision 0.29.1
    --weights FILE     the published weight file instead of random weights
    --json             one object on stdout

Ends with 1 where the map differs by 1e-5 or more, or where a peculiarity makes no difference.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 1e-5
"""The largest difference before pooling that counts as equal."""
SIDES = (32, 64, 128, 256, 299, 512, 600)
"""Sides of the images, pixels."""


def main() -> int:
    """Make the environment, run the comparison in it, print it."""
    options = parsed()
    if options.inside:
        print(json.dumps(compared(options.seed, options.weights)))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        python = environment(options.into or Path(temporary) / "side", options)
        command = [str(python), __file__, "--inside", "--seed", str(options.seed)]
        command += ["--weights", str(options.weights.resolve())] if options.weights else []
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(found) if options.json else told(found), flush=True)
    return 0 if found["map"] < LIMIT and min(found["undone"].values()) > 100 * LIMIT else 1


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path)
    parser.add_argument("--torch", default="2.14.1")
    parser.add_argument("--torchvision", default="0.29.1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def environment(folder: Path, options: argparse.Namespace) -> Path:
    """The python of an environment that has torch-fidelity; made where it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    there = subprocess.run([python, "-c", "import torch_fidelity"], check=False, capture_output=True)
    if there.returncode:
        wanted = [f"torch=={options.torch}", f"torchvision=={options.torchvision}", "torch-fidelity==0.4.0"]
        pip = [python, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--disable-pip-version-check"]
        subprocess.run([*pip, *wanted], check=True, stdout=sys.stderr)
    return python


def compared(seed: int, weights: Path | None) -> dict[str, Any]:
    """The largest differences, in the environment that has both networks."""
    sys.path.insert(0, str(ROOT))
    import torch
    from torch.nn import functional
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    from lungeval.extractors import inception_net
    from lungeval.extractors.inception_fid import InceptionFid

    torch.set_num_threads(1)
    images = pictures(seed)
    inputs = [torch.from_numpy(InceptionFid()._input(image)).expand(1, 3, -1, -1) for image in images]
    with tempfile.TemporaryDirectory() as folder:
        path = weights or Path(folder) / "weights.pth"
        if not weights:
            torch.save(random_weights(inception_net.FidInception(), torch.cat(inputs), seed), path)
        ours = inception_net.FidInception()
        ours.load_state_dict(torch.load(path, weights_only=True))
        ours.eval()
        peer = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path))
    seen: dict[str, Any] = {}
    peer.Conv2d_1a_3x3.register_forward_pre_hook(lambda _, given: seen.update(input=given[0]))
    peer.Mixed_7c.register_forward_hook(lambda _, given, out: seen.update(map=out))
    names = ("input", "map", "features", "extractor")
    found: dict[str, Any] = dict.fromkeys(names, 0.0) | {"images": len(images), "seed": seed}
    extractor = InceptionFid()
    extractor._network = copy.deepcopy(ours)
    given = extractor.features(images)
    spreads, theirs = [], []
    with torch.inference_mode():
        for image, one, row in zip(images, inputs, given, strict=True):
            (features,) = peer(torch.from_numpy(image).expand(1, 3, -1, -1))
            theirs.append(seen["map"])
            spreads.append(float(seen["map"].std()))
            pairs = {
                "input": (seen["input"], one),
                "map": (seen["map"], ours.maps(one)),
                "features": (features, ours(one)),
                "extractor": (features, torch.from_numpy(row)),
            }
            for name, (peers, own) in pairs.items():
                found[name] = max(found[name], float((peers - own).abs().max()))

        def away() -> float:
            return max(float((a - ours.maps(b)).abs().max()) for a, b in zip(theirs, inputs, strict=True))

        undone = {}
        mean_3x3 = inception_net.mean_3x3
        inception_net.mean_3x3 = lambda x: functional.avg_pool2d(x, 3, 1, 1)
        undone["blocks A and C: padding counted in the mean"] = away()
        inception_net.mean_3x3 = mean_3x3
        ours.Mixed_7b._pool = lambda x: functional.avg_pool2d(x, 3, 1, 1)
        undone["first block E: padding counted in the mean"] = away()
        ours.Mixed_7b._pool = mean_3x3
        ours.Mixed_7c._pool = mean_3x3
        undone["last block E: mean instead of maximum"] = away()
        ours.Mixed_7c._pool = inception_net.max_3x3
        inputs = [
            functional.interpolate(torch.from_numpy(i)[None, None].float(), (299, 299), mode="bilinear") for i in images
        ]
        inputs = [((i - 128) / 128).expand(1, 3, -1, -1) for i in inputs]
        undone["input: bilinear with half-pixel centres"] = away()
    return found | {"map_sd": float(np.mean(spreads)), "undone": undone, "torch": torch.__version__}


def random_weights(network: Any, inputs: Any, seed: int) -> Any:
    """Weights of a spread like a trained network's: He's normal, normalisation measured on the images."""
    import torch

    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(inputs)
    return network.state_dict()


def pictures(seed: int) -> list[np.ndarray[Any, Any]]:
    """Waves and noise at several sides, uint8."""
    chance = np.random.default_rng(seed)
    found = []
    for side in SIDES:
        rows, cols = np.indices((side, side)) / side
        wave = np.sin(rows * chance.uniform(3, 60)) + np.cos(cols * chance.uniform(3, 60))
        noisy = 127.5 + 50 * wave + chance.normal(0, 20, wave.shape)
        found.append(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
    return found


def told(found: dict[str, Any]) -> str:
    """The result as lines."""
    lines = [
        f"torch {found['torch']}, {found['images']} images of side {SIDES[0]} to {SIDES[-1]}, seed {found['seed']}"
    ]
    lines += [f"largest difference, {name:9}  {found[name]:.3g}" for name in ("input", "map", "features", "extractor")]
    lines += [f"standard deviation of the map  {found['map_sd']:.3g}", "largest difference of the map after undoing"]
    return "\n".join([*lines, *(f"  {name}: {value:.3g}" for name, value in found["undone"].items())])


if __name__ == "__main__":
    sys.exit(main())
