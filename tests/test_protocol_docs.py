from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import TypeAdapter

from lungeval.labels import ALIASES, COLUMNS, UNIT_UNKNOWN
from lungeval.protocol_files import load_protocol

DOCS = Path(__file__).parents[1] / "docs"


def pages() -> Any:
    spec = importlib.util.spec_from_file_location("make_protocol", DOCS / "make_protocol.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_the_one_the_models_make() -> None:
    assert (DOCS / "protocol.md").read_text() == pages().render(), "run: python docs/make_protocol.py"


def test_every_example_is_valid() -> None:
    make = pages()
    for (block, name), text in make.EXAMPLES.items():
        field = block.model_fields[name]
        annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        TypeAdapter(annotation).validate_python(yaml.safe_load(text))


def test_the_example_protocol_is_valid(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(pages().EXAMPLE)
    assert load_protocol(tmp_path / "p.yaml").warnings == []


def test_every_column_of_a_label_table_is_documented() -> None:
    page = (DOCS / "labels.md").read_text()
    for column in COLUMNS:
        assert f"| `{column}` |" in page
    for other, ours in ALIASES.items():
        row = next(line for line in page.split("## Other names")[1].splitlines() if line.startswith(f"| `{ours}`"))
        assert other in row
    for word in UNIT_UNKNOWN:
        assert f"`{word}`" in page
