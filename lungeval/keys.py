"""Keys and seeds: the same bytes on every machine, and nothing in them but what they stand for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def canonical(value: Any) -> str:
    """One line of JSON with sorted keys and no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_key(**what: Any) -> str:
    """SHA-256 (hex) of what identifies an image: never a path, a time, a device or a price."""
    return hashlib.sha256(canonical(what).encode()).hexdigest()


def seed_of(*parts: Any) -> int:
    """A 63-bit seed from a list of words and numbers."""
    return int.from_bytes(hashlib.sha256(canonical(parts).encode()).digest()[:8], "big") >> 1


def generator_of(*parts: Any) -> np.random.Generator:
    """A numpy generator seeded from a list of words and numbers (PCG64)."""
    import numpy as np

    return np.random.Generator(np.random.PCG64(seed_of(*parts)))


def draw_order(keys: list[str], *parts: Any) -> list[str]:
    """Distinct keys in a random order that depends on the keys and the parts alone, not on the order given."""
    return sorted(keys, key=lambda key: hashlib.sha256(canonical([*parts, key]).encode()).digest())


def sha256_file(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_pixels(pixels: np.ndarray[Any, Any]) -> str:
    """SHA-256 (hex) of a canonical array: its dtype, its shape and its bytes in C order."""
    import numpy as np

    head = f"{pixels.dtype.name}:{'x'.join(map(str, pixels.shape))}:".encode()
    return hashlib.sha256(head + np.ascontiguousarray(pixels).tobytes()).hexdigest()
