"""What is in the way of taking part: one line for each thing that must work, and the one next step where it does not."""

from __future__ import annotations

from snews_drill.doctor.examination import diagnose
from snews_drill.doctor.findings import Diagnosis, Finding, Status

__all__ = ["Diagnosis", "Finding", "Status", "diagnose"]
