"""Where the alert points: arrival times to a map of the sky."""

from snews_drill.sky.fit import localize
from snews_drill.sky.geometry import arrival_times_ns
from snews_drill.sky.localization import Localization
from snews_drill.sky.modes import Mode, Ring

__all__ = ["Localization", "Mode", "Ring", "arrival_times_ns", "localize"]
