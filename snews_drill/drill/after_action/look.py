"""How the report looks: its style, its numbers, and the words that explain it."""

from __future__ import annotations

from snews_drill.messages.times import iso_micro

STYLE = """
:root{color-scheme:light}*{box-sizing:border-box}
body{margin:0;background:#f4f5f7;color:#1b1f24;font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1240px;margin:0 auto;padding:28px 24px 40px}
h1{font-size:26px;line-height:1.2;margin:0 0 2px}h2{font-size:17px;margin:0 0 10px}
.sub{color:#5c6670;margin:0 0 18px}small{color:#5c6670;font-size:12px}
section{background:#fff;border:1px solid #dfe3e8;border-radius:8px;padding:16px 18px;margin:0 0 16px}
.tiles{display:flex;flex-wrap:wrap;gap:12px;margin:0 0 16px}
.tile{flex:1 1 150px;background:#fff;border:1px solid #dfe3e8;border-radius:8px;padding:12px 14px}
.tile b{display:block;font-size:24px;line-height:1.2}.tile span{display:block}.tile small{display:block;min-height:17px}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:4px 8px;text-align:right;border-bottom:1px solid #e8ebef;vertical-align:top;white-space:nowrap}
thead th{background:#f0f2f5;font-weight:600;font-size:12px;vertical-align:bottom}
thead th[colspan]{text-align:center;border-left:2px solid #fff;border-right:2px solid #fff}
.text{text-align:left}td.text{white-space:normal;overflow-wrap:anywhere}
.detectors td.text,.detectors th.text{white-space:nowrap}.detectors{font-size:12.5px}
.detectors td,.detectors th{padding:3px 5px}
.events td.text{white-space:nowrap}.events td:last-child{white-space:normal}
.silent td{color:#8a939c;background:#fafafa}
.none{color:#b4bbc2}.bad{color:#b3261e;font-weight:600}.warn{color:#8a5300;font-weight:600}
td.far{color:#8a5300;font-weight:600}.names{font-size:12px;color:#444c54}
.problems th{font-weight:600;width:210px;white-space:normal}.problems .mark{width:20px;font-size:11px}
svg.chart{display:block;max-width:100%;height:auto}.legend{margin:4px 0 0;color:#444c54;font-size:12px}
.key{display:inline-flex;align-items:center;gap:5px;margin-right:16px}
figure{margin:0 0 8px}img{max-width:100%;height:auto}figcaption{color:#5c6670;font-size:12px}section p{margin:0 0 4px}
dl{margin:0;display:grid;grid-template-columns:max-content 1fr;gap:4px 16px}dt{font-weight:600}dd{margin:0}
footer{color:#5c6670;font-size:12px}
@media print{@page{size:A4 landscape;margin:11mm}body{background:#fff;font-size:10px;print-color-adjust:exact;
-webkit-print-color-adjust:exact}main{max-width:none;padding:0}section{border:0;padding:0;margin:0 0 12px}
.tile{padding:6px 10px}.tile b{font-size:17px}.detectors{font-size:8.4px}.detectors td,.detectors th{padding:2px 4px}
thead th{font-size:8.4px}small,.names,.legend,figcaption,footer{font-size:8.4px}.wide{overflow:visible}
tr,figure,svg,.tile{break-inside:avoid}h2{break-after:avoid}thead{display:table-header-group}img{max-height:120mm}}
@media (max-width:700px){dl{grid-template-columns:1fr}.tile{flex-basis:40%}}
""".replace("\n", "")

DEFINITIONS = (
    "<dl>"
    "<dt>Times</dt><dd>UTC. “Sent” is by the detector's clock, everything else by the server's. Where the two clocks "
    "differ, latencies are off by as much, and may be negative.</dd>"
    "<dt>p50, p95</dt><dd>Median and 95th percentile, interpolated linearly between neighbours.</dd>"
    "<dt>Heartbeats</dt><dd>“Every” is the median time from one arrival to the next; latency is received less sent. "
    "The archive keeps heartbeats for a week.</dd>"
    "<dt>Observation</dt><dd>The newest one of the detector; ×2 says that there were two. “Off scenario” is its neutrino "
    "time less the scenario's, in ms.</dd>"
    "<dt>First after</dt><dd>From the sending of that observation to the broker's acknowledgement of the first alert "
    "that names the detector; “waited” if that alert came because of another detector.</dd>"
    "<dt>Alert latency</dt><dd>From the sending of the message that caused the alert to the broker's acknowledgement "
    "of the alert.</dd>"
    "<dt>Played by</dt><dd>Who spoke for the detector, as the messages themselves say.</dd>"
    "</dl>"
)


def clock(time_ns: int | None) -> str:
    """Return the time of day with milliseconds, UTC; "" for None."""
    return "" if time_ns is None else moment(time_ns)[11:]


def short_clock(time_ns: int | None) -> str:
    """Return the time of day to the second, UTC; "" for None."""
    return clock(time_ns)[:8]


def moment(time_ns: int) -> str:
    """Return date and time with milliseconds, UTC."""
    text = iso_micro(time_ns // 1_000_000 * 1_000_000).replace("T", " ")
    return text[:23] if "." in text else f"{text}.000"


def milliseconds(value: float | None) -> str:
    """Return a duration given in ms with its unit, to three digits; "" for None."""
    if value is None:
        return ""
    size = abs(value)
    if size >= 120_000:
        return f"{value / 1e3:,.0f} s"
    if size >= 1_000:
        return f"{value / 1e3:.3g} s" if size < 99_950 else f"{value / 1e3:.0f} s"
    return f"{value:.0f} ms" if size >= 99.95 else f"{value:.3g} ms" if size >= 1 else f"{value:.2f} ms"


def signed(value: float | None) -> str:
    """Return an offset in ms with its sign; "" for None."""
    if value is None:
        return ""
    return f"{value:+,.2f}" if abs(value) < 1e5 else f"{value:+,.0f}"


def plain(value: float | None) -> str:
    """Return a number to about three digits, without a unit; "" for None."""
    if value is None:
        return ""
    size = abs(value)
    return f"{value:,.0f}" if size >= 99.95 else f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"


def number(value: int) -> str:
    """Return a count; "" for zero."""
    return f"{value:,}" if value else ""
