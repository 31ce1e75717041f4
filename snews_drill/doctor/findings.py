"""What the doctor found, as values."""

from __future__ import annotations

import html
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Literal

from snews_drill.errors import DrillError

Status = Literal["ok", "warning", "problem", "skipped"]

#: The signs of each status; colour is never the only one.
MARKS: dict[Status, str] = {"ok": "✓", "warning": "!", "problem": "✗", "skipped": "·"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    name : str
        What was looked at.
    status : {"ok", "warning", "problem", "skipped"}
        "skipped" if it could not be looked at; `detail` says why.
    detail : str
        What was found, as a sentence. May hold text from the network: escape it where it becomes markup.
    next_step : str
        The one thing to do now; "" if there is nothing to do.
    """

    name: str
    status: Status
    detail: str
    next_step: str = ""

    def __str__(self) -> str:
        step = f"\n    Next step: {self.next_step}" if self.next_step else ""
        return f"{MARKS[self.status]} {self.name}: {self.detail}{step}"


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was looked at, in order; true if nothing is in the way.

    Attributes
    ----------
    profile : str
        Which destination.
    findings : tuple of Finding
        One for each thing.
    """

    profile: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no problem. Warnings and what could not be looked at are none."""
        return all(finding.status != "problem" for finding in self.findings)

    @property
    def problems(self) -> tuple[Finding, ...]:
        """Those that are in the way."""
        return tuple(finding for finding in self.findings if finding.status == "problem")

    def __bool__(self) -> bool:
        return self.ok

    def __getitem__(self, name: str) -> Finding:
        return next(finding for finding in self.findings if finding.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "ok": self.ok,
            "profile": self.profile,
            "findings": [asdict(finding) for finding in self.findings],
        }

    def __str__(self) -> str:
        return "\n".join(str(finding) for finding in self.findings)

    def __repr__(self) -> str:
        counts = Counter(finding.status for finding in self.findings)
        said = ", ".join(f"{counts[status]} {status}" for status in MARKS if counts[status])
        first = f"; first: {self.problems[0].name}" if self.problems else ""
        return f"Diagnosis({self.profile}: {said}{first})"

    def _repr_html_(self) -> str:
        return f"<div>{html.escape(repr(self))}</div>{findings_html(self.findings)}"


def findings_html(findings: tuple[Finding, ...]) -> str:
    """Return findings as an escaped HTML table in the colours of the page."""
    rows = "".join(_row(finding) for finding in findings)
    # Notebooks typeset what stands between dollar signs, unless an element says no.
    return (
        '<table class="sd-table tex2jax_ignore mathjax_ignore" style="text-align:left"><thead><tr><th scope="col">'
        f'</th><th scope="col">What</th><th scope="col">Found</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _row(finding: Finding) -> str:
    kind = {"ok": "ok", "warning": "warning", "problem": "error", "skipped": "quiet"}[finding.status]
    step = f"<div><b>Next step:</b> {html.escape(finding.next_step)}</div>" if finding.next_step else ""
    left = 'style="text-align:left;vertical-align:top'
    return (
        f'<tr><td {left};white-space:nowrap" class="sd-{kind}"><span aria-hidden="true">'
        f"{MARKS[finding.status]}</span> {finding.status}</td>"
        f'<th scope="row" {left};white-space:nowrap">{html.escape(finding.name)}</th>'
        f'<td {left};overflow-wrap:anywhere">{html.escape(finding.detail)}{step}</td></tr>'
    )


def problem_from(name: str, error: DrillError) -> Finding:
    """Return an error as a finding."""
    return Finding(name, "problem", error.reason, error.next_step)
