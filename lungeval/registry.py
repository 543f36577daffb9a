"""Names to plug-ins: built-in, installed (entry points), or a .py file loaded by path.

A plug-in is a class or function in a module that is imported only when it is asked for. Built-ins are listed here and
nowhere else; a package adds its own through the entry-point groups `lungeval.backends`, `lungeval.metrics` and
`lungeval.extractors`; a study adds one by a path that ends in .py (the file defines `Backend`, `Metric` or
`Extractor`). An extractor may be asked for with an argument, `name:argument`.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
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
        "hub": "lungeval.backends.hub:HubBackend",
        "command": "lungeval.backends.command:CommandBackend",
        "text_to_image_api": "lungeval.backends.text_to_image_api:TextToImageBackend",
        "stable_diffusion": "lungeval.backends.stable_diffusion:StableDiffusionBackend",
        "pixel_diffusion": "lungeval.backends.pixel_diffusion:PixelDiffusionBackend",
    },
    "metrics": {
        "frechet": "lungeval.metrics.frechet:FrechetMetric",
        "kernel": "lungeval.metrics.kernel:KernelMetric",
        "kernel_subsets": "lungeval.metrics.kernel:KernelSubsetsMetric",
        "rbf": "lungeval.metrics.gaussian:RbfMetric",
        "cmmd": "lungeval.metrics.gaussian:CmmdMetric",
        "prdc": "lungeval.metrics.prdc:PrdcMetric",
        "vendi": "lungeval.metrics.vendi:VendiMetric",
        "ms_ssim": "lungeval.metrics.ms_ssim:MsSsimMetric",
        "c2st": "lungeval.metrics.c2st:C2stMetric",
        "memorisation": "lungeval.metrics.memorisation:MemorisationMetric",
    },
    "extractors": {
        "efficientnet-lite0": "lungeval.extractors.efficientnet_lite0:EfficientNetLite0",
        "inception-fid": "lungeval.extractors.inception_fid:InceptionFid",
        "dinov2": "lungeval.extractors.dinov2:Dinov2",
        "rad-dino": "lungeval.extractors.dinov2:RadDino",
        "biomedclip": "lungeval.extractors.biomedclip:BiomedClip",
        "torchxrayvision": "lungeval.extractors.torchxrayvision:TorchXRayVision",
        "timm": "lungeval.extractors.timm_models:Timm",
        "checkpoint": "lungeval.extractors.checkpoint:Checkpoint",
        "radial-power": "lungeval.extractors.radial_power:RadialPower",
        "random-net": "lungeval.extractors.random_net:RandomNet",
        "pixels": "lungeval.extractors.pixels:Pixels",
        "radiomics": "lungeval.extractors.radiomics:Radiomics",
    },
}

_HERE = str(Path(__file__).parent) + os.sep
_CALLERS = ("generation", "registry", "validating", "overlap", "measuring", "rehearsing", "base", "calling")
"""What of lungeval calls plug-ins, modules and packages: a library failing under another is lungeval's own affair."""
_NOT_THEIRS = ("<frozen ", sysconfig.get_paths()["stdlib"] + os.sep + "importlib", contextlib.__file__)


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
            with plugin_code(f"the plug-in '{name}' broke when it was loaded", where):
                return point.load()
    raise LungevalError(
        "backend", f"no {family[:-1]} is called '{name}'", where=where, remedy=did_you_mean(name, names(family))
    )


def open_extractor(text: str, *, where: str = "", folder: Path | None = None) -> Any:
    """An extractor, ready to be given images; its network is loaded later.

    Args:
        text: `name`, `name:argument` (`timm:resnet50.a1_in1k`, `checkpoint:nets/mine.pt`), or a path ending in .py. An
            argument that names an existing file or folder, relative to `folder`, is passed on as its whole path.
        where: the place that asked, for the error.
        folder: the folder of the file that asked; None = the current one.

    Raises:
        LungevalError: `backend` where nothing is called that, or an argument is missing or not wanted; `plugin` where
            its code breaks.
    """
    return _opened("extractors", text, where, folder)


def open_metric(text: str, *, where: str = "", folder: Path | None = None) -> Any:
    """A metric, from `name`, `name:argument` (`vendi:2`, `cmmd:biased`) or a path ending in .py.

    Raises:
        LungevalError: as `open_extractor`.
    """
    return _opened("metrics", text, where, folder)


def _opened(family: Family, text: str, where: str, folder: Path | None) -> Any:
    kind, argument = check_argument(family, text, where=where, folder=folder)
    words = [_whole_path(argument, folder or Path.cwd())] if argument else []
    with plugin_code(f"the {family[:-1]} '{text}' broke when it was opened", where):
        try:
            return kind(*words)
        except LungevalError as fault:
            if where and not fault.where:
                raise LungevalError(fault.code, fault.what, where=where, remedy=fault.remedy) from fault
            raise


def check_argument(family: Family, text: str, *, where: str = "", folder: Path | None = None) -> tuple[Any, str]:
    """The class that `name:argument` asks for and the argument, without opening it.

    Raises:
        LungevalError: as `open_extractor`.
    """
    name, _, argument = (text, "", "") if text.endswith(".py") else text.partition(":")
    kind = load(family, name, where=where, folder=folder)
    try:
        inspect.signature(kind).bind(*([argument] if argument else []))
    except TypeError:
        one = family[:-1]
        what = f"the {one} {name} takes no argument" if argument else f"the {one} {name} needs an argument"
        see = " (see docs/extractors.md)" if family == "extractors" else ""
        remedy = f"write {name}" if argument else f"write {name}:ARGUMENT{see}"
        raise LungevalError("backend", what, where=where, remedy=remedy) from None
    except ValueError:
        pass  # a class that does not tell its arguments
    return kind, argument


def _whole_path(argument: str, folder: Path) -> str:
    """The path of what is there, or the argument as it is; after an @ it may be a file too."""
    before, mark, after = argument.rpartition("@")
    for start, text in ((f"{before}{mark}", after), ("", argument)):
        with contextlib.suppress(LungevalError):
            path = expand(text, folder)
            if text and path.exists():
                return start + str(path.resolve())
    return argument


def _entry_points(family: Family) -> list[Any]:
    from importlib.metadata import entry_points

    return sorted(entry_points(group=f"lungeval.{family}"), key=lambda point: point.name)


def _load_file(family: Family, name: str, *, where: str, folder: Path | None) -> Any:
    path = Path(os.path.normpath(expand(name, folder or Path.cwd(), where=where)))
    if not path.is_file():
        raise LungevalError("backend", f"no file {path}", where=where, remedy="give the path of the plug-in's .py file")
    spec = importlib.util.spec_from_file_location(f"lungeval_plugin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise LungevalError("plugin", f"{path} cannot be loaded as Python", where=where)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    attribute = {"backends": "Backend", "metrics": "Metric", "extractors": "Extractor"}[family]
    with plugin_code(f"the plug-in '{path}' broke when it was loaded", where):
        spec.loader.exec_module(module)
        if not hasattr(module, attribute):
            raise AttributeError(f"the file defines no class `{attribute}`")
        return getattr(module, attribute)


@contextlib.contextmanager
def plugin_code(what: str, where: str = "") -> Iterator[None]:
    """Run a plug-in's code: what it prints goes to stderr, and a fault in it is told as the plug-in's.

    Args:
        what: how the first line of the error begins, such as `the backend of arm 'x' broke`.
        where: the place that asked for the plug-in.

    Raises:
        LungevalError: `plugin`, one line, with the plug-in's own part of the traceback as a note. Errors that are told
            already pass as they are, and so do faults of the disk that lungeval's own code meets.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except LungevalError:
        raise
    except OSError as error:
        if _place_of(error) is None:
            raise
        raise _broken(what, where, error) from error
    except (Exception, SystemExit) as error:
        raise _broken(what, where, error) from error


def _broken(what: str, where: str, error: BaseException) -> LungevalError:
    """The fault of a plug-in; its note holds the frames that lie in the plug-in, of the error and of its causes.

    Frames of lungeval, of the standard library and of libraries that the plug-in calls are left out.
    """
    place = _place_of(error)
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.insert(0, link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    lines: list[str] = []
    for link in chain:
        frames = traceback.extract_tb(link.__traceback__)
        lines += traceback.format_list([f for f in frames if place is not None and f.filename.startswith(place)])
        lines += (said := traceback.format_exception_only(link))
    first = next(line for line in said if not line.startswith(" ")).splitlines()[0][:300]
    fault = LungevalError("plugin", f"{what}: {first}", where=where, remedy="mend the plug-in")
    fault.add_note("its own traceback (most recent call last):\n" + "".join(lines).rstrip())
    return fault


def _calls(filename: str) -> bool:
    """Whether a module of lungeval, or the package that it lies in, is one that calls plug-ins."""
    return not set(_CALLERS).isdisjoint(Path(filename.removeprefix(_HERE)).with_suffix("").parts)


def _place_of(error: BaseException) -> str | None:
    """Where the plug-in lies that lungeval called into: a package's or a study's folder, or one installed file."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(_NOT_THEIRS)]
    calls = [n for n, f in enumerate(frames) if f.filename.startswith(_HERE) and _calls(f.filename)]
    inner = frames[calls[-1] + 1 :] if calls else []
    if not inner or inner[0].filename.startswith(_HERE):
        return None
    root = Path(inner[0].filename).parent
    if root.name in ("site-packages", "dist-packages"):
        return inner[0].filename
    while (root / "__init__.py").is_file() and (root.parent / "__init__.py").is_file():
        root = root.parent
    return f"{root}{os.sep}"
