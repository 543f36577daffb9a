"""The sections of the report in their order: what each prints, for each kind of reader; without data, nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lungeval.reporting import blinding
from lungeval.reporting.findings import Findings
from lungeval.reporting.gallery import Picture
from lungeval.reporting.sections import metrics, readings, statistical, study
from lungeval.reporting.sections.parts import Block, Item, Section
from lungeval.reporting.tables import Table

__all__ = ["TABLE_FILES", "Block", "Item", "Section", "all_sections", "header"]

TABLE_FILES = tuple(
    f"{name}.csv"
    for name in (
        "estimates",
        "headline",
        "verdicts",
        "verdict-conditions",
        "conditions",
        "generators",
        "generators-exploratory",
        "policies",
        "accuracy",
        "unsure",
        "confusion",
        "detection",
        "readers-detection",
        "models",
        "agreement-group",
        "agreement-arms",
        "agreement",
        "intra-reader",
        "readers",
        "time",
        "time-readers",
        "naming",
        "naming-confusion",
        "images",
        "image-distances",
        "image-likeness",
        "image-others",
        "image-diversity",
        "image-memorisation",
        "image-raw",
        "image-pairs",
        "image-metrics",
        "metric-agreement",
        "image-agreement",
        "refusals",
        "selection",
        "leak_audit",
        "readers_and_machine",
        "confounds",
        "exposures",
    )
)
"""Every file that tables/ can hold."""


def header(findings: Findings) -> dict[str, Any]:
    """What the head of the page prints."""
    run = findings.run
    return {
        "title": run.get("title") or run.get("name") or "Reader study",
        "name": run.get("name") or "",
        "protocol": run.get("protocol") or "",
        "ribbon": run.get("ribbon") or "",
        "version": run.get("version") or "",
        "status": blinding.status(findings),
    }


def all_sections(
    findings: Findings, tables: Mapping[str, Table], pictures: Mapping[str, Picture], generated_by: str
) -> list[Section]:
    """The sections that have something to say."""
    made = [
        readings.found_section(findings, tables),
        readings.methods_section(findings),
        readings.conditions_section(findings, tables),
        statistical.generators_section(findings, tables),
        readings.policies_section(findings, tables),
        readings.confusion_section(findings, tables),
        statistical.detection_section(findings, tables),
        statistical.agreement_section(findings, tables),
        readings.readers_section(findings, tables),
        statistical.time_section(findings, tables),
        statistical.naming_section(findings, tables),
        study.images_section(findings, tables, pictures),
        metrics.metrics_section(findings, tables),
        study.refusals_section(findings, tables),
        study.selection_section(findings, tables),
        study.blinding_section(findings, tables),
        study.provenance_section(findings, generated_by),
    ]
    return [section for section in made if section.blocks]
