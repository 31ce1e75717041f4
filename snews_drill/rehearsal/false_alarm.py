"""How likely an alert arises by accident: detectors that each imitate a supernova now and then."""

from __future__ import annotations

import math

SECONDS_PER_WEEK = 604_800.0

#: Coincidence window in seconds, as the published server uses it.
WINDOW_SEC = 10.0

#: How often one detector imitates a supernova: once a week, as the published server assumes.
IMITATION_RATE_HZ = 1 / SECONDS_PER_WEEK

#: What stands in an alert that has no such probability: tests, and groups that are no coincidence any more.
NOT_APPLICABLE = "N/A"

_MAX_EXPONENT = 700.0  # exp of more does not fit a float


def false_alarm_rate_hz(
    detectors_on: int,
    coincident: int,
    window_s: float = WINDOW_SEC,
    imitation_rate_hz: float = IMITATION_RATE_HZ,
) -> float:
    """Return how often chance alone makes a coincidence of that many detectors.

    Parameters
    ----------
    detectors_on
        Number of detectors n that take data, by their heartbeats. Heartbeats may be missing, but who takes
        part in the coincidence was on: never less than `coincident` is used.
    coincident
        Number of detectors r in the group, at least 1.
    window_s
        Coincidence window dt in seconds.
    imitation_rate_hz
        Rate f, in Hz, at which one detector imitates a supernova.

    Returns
    -------
    float
        C(n, r) f^r dt^(r-1) in Hz; infinite where that does not fit a float.

    Raises
    ------
    ValueError
        If a number is negative, not finite, or `coincident` or `window_s` is not above zero.

    Notes
    -----
    Source: the formula that the SNEWS coincidence server states for its alerts, with f = 1/604800 Hz and
    dt = 10 s. It holds as long as f dt is small.

    Examples
    --------
    >>> false_alarm_rate_hz(2, 2) == 10.0 / 604_800.0**2
    True
    """
    if coincident < 1 or detectors_on < 0:
        raise ValueError(f"{coincident} of {detectors_on} detectors is no coincidence")
    if not (
        math.isfinite(window_s)
        and window_s > 0
        and math.isfinite(imitation_rate_hz)
        and imitation_rate_hz >= 0
    ):
        raise ValueError("the window must be above zero and the imitation rate must not be negative")
    if imitation_rate_hz == 0:
        return 0.0
    n, r = max(detectors_on, coincident), coincident
    plain = math.comb(n, r) * imitation_rate_hz**r * window_s ** (r - 1) if n <= 64 and r <= 24 else 0.0
    if plain > 0:
        return plain
    # Thousands of detectors: the factors overflow or vanish, their product need not.
    exponent = math.lgamma(n + 1) - math.lgamma(r + 1) - math.lgamma(n - r + 1)
    exponent += r * math.log(imitation_rate_hz) + (r - 1) * math.log(window_s)
    return math.exp(exponent) if exponent < _MAX_EXPONENT else math.inf


def false_alarm_text(
    detectors_on: int,
    coincident: int,
    *,
    is_test: bool = False,
    window_s: float = WINDOW_SEC,
    imitation_rate_hz: float = IMITATION_RATE_HZ,
    period_s: float = SECONDS_PER_WEEK,
) -> str:
    """Return the percentage text that an alert carries as "False Alarm Prob".

    It is the probability that chance alone makes at least one such coincidence *within one week*, the period
    for which the assumed imitation rate is given: 1 - exp(-rate x period), as false alarms are independent.

    Parameters
    ----------
    detectors_on, coincident, window_s, imitation_rate_hz
        As for `false_alarm_rate_hz`.
    is_test
        Whether the alert is about test messages; those have no such probability.
    period_s
        The period in seconds that the percentage is for.

    Returns
    -------
    str
        Like "0.31%"; below 0.01 % with an exponent and two digits ("3.1e-05%"), because 0.00% would say
        nothing; "N/A" for tests and where fewer than two detectors are left.

    Notes
    -----
    Source: servers of dialect 1.3 wrote a probability times 100 with two decimals and a percent sign, at
    first for the coincidences expected in a week. Later ones computed a time between false alarms in years
    instead; that is no probability and is not repeated here.

    Examples
    --------
    >>> false_alarm_text(20, 2), false_alarm_text(20, 2, is_test=True)
    ('0.31%', 'N/A')
    """
    if is_test or coincident < 2:
        return NOT_APPLICABLE
    rate_hz = false_alarm_rate_hz(detectors_on, coincident, window_s, imitation_rate_hz)
    percent = -100 * math.expm1(-rate_hz * period_s)
    return f"{percent:.2f}%" if percent >= 0.01 or percent == 0 else f"{percent:.1e}%"
