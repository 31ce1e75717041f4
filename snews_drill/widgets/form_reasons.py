"""Which tiers arise from what is filled in, and why: the rule of `messages.choose` in words."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from snews_drill.messages.tiers import Tier


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a tier arises, or what it still needs.

    Attributes
    ----------
    tier : Tier
        Which one.
    arises : bool
        Whether a message is made.
    text : str
        "because …" or "needs …".
    """

    tier: Tier
    arises: bool
    text: str

    def __str__(self) -> str:
        return f"{self.tier.value} — {self.text}"


#: Tier -> the arguments that make it, all of one set; the first set is the one to recommend.
_MAKERS: dict[Tier, tuple[tuple[str, ...], ...]] = {
    Tier.COINCIDENCE: (("neutrino_time",),),
    Tier.SIGNIFICANCE: (("p_values", "t_bin_width"),),
    Tier.TIMING: (("timing_series",),),
    Tier.RETRACTION: (("retract_latest",), ("retract_message_uuid",)),
    Tier.HEARTBEAT: (("detector_status",),),
}


def reasons(given: Collection[str], tiers: Collection[Tier]) -> list[Reason]:
    """Return one reason per tier, in the order in which messages are made.

    Parameters
    ----------
    given
        The names of the arguments that are filled in.
    tiers
        Which tiers arise (`messages.choose.choose_tiers`).
    """
    return [Reason(tier, tier in tiers, _why(tier, given, tiers)) for tier in _MAKERS]


def _why(tier: Tier, given: Collection[str], tiers: Collection[Tier]) -> str:
    makers = _MAKERS[tier]
    if tier in tiers:
        names = next((names for names in makers if all(name in given for name in names)), makers[0])
        return f"because {' and '.join(names)} {'are' if len(names) > 1 else 'is'} given"
    if tier is Tier.COINCIDENCE and Tier.RETRACTION in tiers:
        return "not beside a retraction"
    missing = [name for name in makers[0] if name not in given]
    return f"needs {' and '.join(missing)}"


#: Field -> what asks for it: a field that is of no use without it.
_PARTNERS: dict[str, tuple[str, Tier]] = {
    "neutrino_time": ("p_val", Tier.COINCIDENCE),
    "p_values": ("t_bin_width", Tier.SIGNIFICANCE),
    "t_bin_width": ("p_values", Tier.SIGNIFICANCE),
    "retract_latest": ("retraction_reason", Tier.RETRACTION),
}


def wanted(name: str, given: Collection[str], tiers: Collection[Tier]) -> str:
    """Return why an empty field should be filled in: "needed for …", or "" if nothing asks for it."""
    partner, tier = _PARTNERS.get(name, ("", Tier.COINCIDENCE))
    if name in given or partner not in given or tier in tiers:
        return ""
    if tier is Tier.COINCIDENCE and Tier.RETRACTION in tiers:
        return ""
    return f"Needed for a {tier.value}, because {partner} is given."
