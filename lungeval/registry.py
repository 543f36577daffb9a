"""Names to plug-ins: built-in, installed (entry points), or a .py file loaded by path.

A plug-in is a class or function in a module that is imported only when it is asked for. Built-ins are listed here and
nowhere else; a package adds its own through the entry-point groups `lungeval.backends`, `lungeval.metrics` and
`lungeval.extractors`; a study adds one by a path that ends in .py (the file defines `Backend`).
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any, Literal

from lungeval.errors import LungevalError, did_you_mean
from lungeval.yamlfile import expand

Family = Literal["backends", "metrics", "extractors"]

BUILT_IN: dict[str, dict[str, str]] = {
    "backends": {
        "folder": "lungeval.backends.folder:FolderBackend",
        "archive": "lungeval.backends.archive:ArchiveBackend",
        "phantom": "lungeval.backends.phantom:PhantomBackend",
    },
    "metrics": {
        "frechet": "lungeval.metrics.frechet:FrechetMetric",
        "kernel": "lungeval.metrics.kernel:KernelMetric",
    },
    "extractors": {
        "efficientnet-lite0": "lungeval.extractors.efficientnet_lite0:EfficientNetLite0",
    },
}


def names(family: Family) -> list[str]:
    """Every name of a family that can be asked for, built-in and installed."""
    return sorted({*BUILT_IN[family], *(point.name for point in _entry_points(family))})


def load(family: Family, name: str, *, where: str = "", folder: Path | None = None) -> Any:
    """The plug-in called `name`: an attribute of a module imported now.

    Args:
        family: backends, metrics or extractors.
        name: a built-in or installed name, or a path ending in .py (relative to `folder`).
        where: the place that asked, for the error.
        folder: the folder of the file that asked.

    Raises:
        LungevalError: `backend` where nothing is called that; `plugin` where its code breaks on import.
    """
    if name.endswith(".py"):
        return _load_file(family, name, where=where, folder=folder)
    if name in BUILT_IN[family]:
        module, attribute = BUILT_IN[family][name].split(":")
        return getattr(importlib.import_module(module), attribute)
    for point in _entry_points(family):
        if point.name == name:
            try:
                return point.load()
            except Exception as error:
                raise _broken(name, where, error) from error
    raise LungevalError(
        "backend", f"no {family[:-1]} is called '{name}'", where=where, remedy=did_you_mean(name, names(family))
    )


def _entry_points(family: Family) -> list[Any]:
    from importlib.metadata import entry_points

    return sorted(entry_points(group=f"lungeval.{family}"), key=lambda point: point.name)


def _load_file(family: Family, name: str, *, where: str, folder: Path | None) -> Any:
    path = expand(name, folder or Path.cwd(), where=where)
    if not path.is_file():
        raise LungevalError("backend", f"no file {path}", where=where, remedy="give the path of the plug-in's .py file")
    spec = importlib.util.spec_from_file_location(f"lungeval_plugin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise LungevalError("plugin", f"{path} cannot be loaded as Python", where=where)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    attribute = {"backends": "Backend", "metrics": "Metric", "extractors": "Extractor"}[family]
    try:
        spec.loader.exec_module(module)
        return getattr(module, attribute)
    except Exception as error:
        raise _broken(str(path), where, error) from error


def _broken(name: str, where: str, error: Exception) -> LungevalError:
    return LungevalError(
        "plugin", f"the plug-in '{name}' broke when it was loaded: {type(error).__name__}: {error}", where=where,
        remedy="its own traceback follows with --debug",
    )  # fmt: skip
