"""What the form says beside each field and each group; knows no widgets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from snews_drill.errors import Problem
from snews_drill.messages.tiers import Tier
from snews_drill.widgets.form_fields import FIELDS, Field
from snews_drill.widgets.form_reasons import reasons, wanted
from snews_drill.widgets.message_draft import Built, Extra, MessageDraft


@dataclass(frozen=True, slots=True)
class Remark:
    """A line of text, and how loud it is.

    Attributes
    ----------
    kind : {"ok", "info", "warning", "error", "quiet"}
        Errors stand against sending; warnings tell of something that is set aside or missing.
    text : str
        What to show; may hold anything that was typed.
    """

    kind: Literal["ok", "info", "warning", "error", "quiet"]
    text: str


def sentence(problem: Problem, label: str) -> str:
    """Return a problem as a sentence with its remedy; a reason that starts with a verb gets its subject."""
    reason = problem.reason if problem.reason[:1] in "'\"[({-0123456789" else f"{label} {problem.reason}"
    return f"{reason} {problem.remedy}".strip()


def field_remark(field: Field, draft: MessageDraft, built: Built) -> Remark | None:
    """Return what to say beside a field; None where its help suffices.

    Fields that nobody touched are not complained of, unless a message needs them; what is half typed is told calmly.
    """
    found = [problem for problem in built.problems if problem.field == field.name]
    if not found:
        text = wanted(field.name, draft.given(), built.tiers)
        return Remark("info", text) if text else None
    problem = next((p for p in found if p.is_fatal), found[0])
    reading = draft.reading(field.name)
    text = sentence(problem, field.name)
    if not problem.is_fatal:
        return Remark("warning", text)
    if draft.is_asked:
        return Remark("error", text)
    if reading is not None and reading.is_unfinished:
        return Remark("quiet", text)
    return Remark("error" if field.name in draft.touched else "warning", text)


def extra_remark(extra: Extra, draft: MessageDraft, built: Built) -> Remark | None:
    """Return what to say beside an extra pair."""
    problem = draft.extra_problem(extra)
    if problem is not None:
        return Remark("error", sentence(problem, "This pair"))
    key = extra.key.strip()
    found = next((problem for problem in built.problems if problem.field == key and key not in FIELDS), None)
    return Remark("error" if found.is_fatal else "warning", sentence(found, f"'{key}'")) if found else None


def other_remarks(draft: MessageDraft, built: Built) -> list[Remark]:
    """Return what belongs to no field and no extra pair on the screen."""
    placed = {name for name, field in FIELDS.items() if built.dialect_name in field.dialects}
    for extra in draft.extras:
        placed |= {extra.key.strip(), f"meta.{extra.key.strip()}"}
    return [
        Remark("error" if problem.is_fatal else "warning", sentence(problem, problem.field))
        for problem in built.problems
        if problem.field not in placed
    ]


def tier_remarks(draft: MessageDraft, built: Built) -> dict[Tier, Remark]:
    """Return for each tier whether it arises and why, and what still has to be mended."""
    made = {}
    for reason in reasons(draft.given(), built.tiers):
        faults = _faults(reason.tier, built.problems) if reason.arises else []
        if faults:
            made[reason.tier] = Remark("warning", f"{reason}; to mend: {', '.join(faults)}")
        else:
            made[reason.tier] = Remark("ok" if reason.arises else "quiet", str(reason))
    return made


def _faults(tier: Tier, problems: Iterable[Problem]) -> list[str]:
    names = []
    for problem in problems:
        field = FIELDS.get(problem.field)
        concerns_all = problem.tier == "" and (field is None or not field.tiers)
        belongs = problem.tier == tier.value or (
            not problem.tier and field is not None and tier in field.tiers
        )
        if problem.is_fatal and (concerns_all or belongs):
            names.append(problem.field)
    return list(dict.fromkeys(names))


def summary(built: Built, *, is_sent: bool = False) -> Remark:
    """Return in one line whether there is something to send, or that it was sent."""
    words = ", ".join(tier.value for tier in built.tiers)
    fatal = list(dict.fromkeys(problem.field for problem in built.problems if problem.is_fatal))
    if fatal:
        return Remark(
            "warning", f"Not ready to send{f' ({words})' if words else ''}: mend {', '.join(fatal)}."
        )
    if not built.tiers:
        return Remark(
            "quiet", "No message arises yet. Fill in a field; the labels on the right tell what each makes."
        )
    count = len(built.tiers)
    what = f"{count} message{'s' if count > 1 else ''}"
    if is_sent:
        return Remark("ok", f"{what} sent: {words}. This is what the broker has.")
    what = f"{what} ready: {words}."
    return Remark("ok", f"{what} Sent exactly as shown; only the time of sending is set anew.")
