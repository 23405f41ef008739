"""Text and JSON of a diagnosis, the same for `bulwark doctor` and for the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from node.diagnosis.finding import Diagnosis, Finding

FORMAT = "bulwark-diagnosis/1"


def document(diagnosis: Diagnosis) -> dict[str, object]:
    """The diagnosis as JSON; moments are milliseconds since 1970."""
    return {
        "format": FORMAT,
        "verdict": str(diagnosis.verdict),
        "well": diagnosis.well,
        "headline": diagnosis.headline,
        "height": diagnosis.height,
        "epoch": diagnosis.epoch,
        "view": diagnosis.view,
        "at_ms": diagnosis.at_ms,
        "findings": [_finding(finding) for finding in diagnosis.findings],
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "code": finding.code,
        "severity": finding.severity.label,
        "subject": finding.subject,
        "seen": finding.seen,
        "values": dict(finding.values),
        "since_ms": finding.since_ms,
        "advice": finding.advice,
    }


def lines(shown: Mapping[str, object]) -> Iterator[str]:
    """What a person reads of a diagnosis document: one line when all is well."""
    yield str(shown.get("headline", ""))
    if shown.get("well") is True:
        return
    findings = shown.get("findings")
    for finding in findings if isinstance(findings, list) else []:
        if not isinstance(finding, Mapping):
            continue
        yield f"{finding.get('severity', '')!s:<8} {finding.get('code')}: {finding.get('seen')}"
        if finding.get("advice"):
            yield f"         do: {finding.get('advice')}"
