"""Makes the worked example reports/example: `python docs/make_example.py`. A test compares."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "reports" / "example"
PROTOCOL = ROOT / "protocols" / "example.yaml"
KEPT = ("protocol.lock.json", "4-scores/results.json", "4-scores/readings.csv", "report.html", "tables")
"""What of a run everyone may see."""


def environment() -> dict[str, str]:
    """What the digest depends on beside the protocol: the kind of processor and the versions that compute."""
    versions = {name: metadata.version(name) for name in ("lungeval", "numpy", "scipy", "pillow")}
    return {"machine": platform.machine(), **versions}


def run(folder: Path) -> tuple[Path, str]:
    """Run the example in a folder; the run and its digest."""
    made = Path(_lungeval("run", PROTOCOL, "--reports", folder)["run"])
    return made, _lungeval("digest", made)["digest"]


def _lungeval(*arguments: str | Path) -> dict[str, str]:
    command = [sys.executable, "-m", "lungeval", *map(str, arguments), "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout)["data"])


def main() -> None:
    """Write reports/example."""
    with tempfile.TemporaryDirectory() as folder:
        made, digest = run(Path(folder))
        shutil.rmtree(EXAMPLE, ignore_errors=True)
        for name in KEPT:
            target = EXAMPLE / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (made / name).is_dir() else shutil.copy)(made / name, target)
    text = json.dumps({"digest": digest, **environment()}, indent=2, sort_keys=True)
    (EXAMPLE / "digest.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
