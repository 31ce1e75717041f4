"""What a rehearsal ends with: its steps, its alerts, its latencies."""

from __future__ import annotations

import html
import statistics
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a rehearsal.

    Attributes
    ----------
    name : str
        What it was.
    ok : bool
        Whether it succeeded.
    ms : float
        How long it took, milliseconds.
    detail : str
        What was seen, or what went wrong and the next step.
    """

    name: str
    ok: bool
    ms: float
    detail: str = ""


@dataclass(frozen=True)
class RehearsalReport:
    """The outcome of a rehearsal; true if every step succeeded.

    Attributes
    ----------
    scenario, detector, broker : str
        What was played, whose part was yours, and where.
    steps : tuple of Step
        In order; a rehearsal ends at the first one that failed.
    alerts : tuple of dict
        The alerts as they travelled, in order.
    detectors : tuple of str
        The detectors in the largest alert, in order of neutrino time.
    latencies_ms : tuple of float
        From sending an observation to the alert that it caused, for each alert that one caused, milliseconds.
    """

    scenario: str
    detector: str
    broker: str
    steps: tuple[Step, ...]
    alerts: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    detectors: tuple[str, ...] = ()
    latencies_ms: tuple[float, ...] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        """Whether every step succeeded."""
        return bool(self.steps) and all(step.ok for step in self.steps)

    @property
    def alert_latency_ms(self) -> dict[str, float | None]:
        """The median ("p50") and the largest ("max") latency, milliseconds; None without alerts."""
        known = self.latencies_ms
        return {
            "p50": round(statistics.median(known), 3) if known else None,
            "max": round(max(known), 3) if known else None,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data, ready for JSON."""
        return {
            "ok": self.ok,
            "steps": [
                {"name": s.name, "ok": s.ok, "ms": round(s.ms, 3), **({} if s.ok else {"problem": s.detail})}
                for s in self.steps
            ],
            "alerts": list(self.alerts),
            "detectors": list(self.detectors),
            "alert_latency_ms": self.alert_latency_ms,
        }

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        done = sum(step.ok for step in self.steps)
        return (
            f"RehearsalReport({self.scenario} as {self.detector}: {'ok' if self.ok else 'not ok'}, "
            f"{done} of {len(self.steps)} steps, {len(self.alerts)} alerts, "
            f"{len(self.detectors)} detectors in the largest)"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{'✓' if step.ok else '✗'}</td><td style='text-align:left'>{html.escape(step.name)}</td>"
            f"<td>{step.ms:.0f} ms</td><td style='text-align:left'>{html.escape(step.detail)}</td></tr>"
            for step in self.steps
        )
        latency = self.alert_latency_ms
        tail = (
            f"<p>{len(self.alerts)} alerts; {len(self.detectors)} detectors in the largest; "
            f"latency p50 {latency['p50']} ms, max {latency['max']} ms.</p>"
            if self.alerts
            else ""
        )
        return (
            f"<b>{html.escape(self.scenario)} as {html.escape(self.detector)}</b><table>{rows}</table>{tail}"
        )
