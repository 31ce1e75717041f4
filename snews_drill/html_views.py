"""What plain values look like in a notebook: small, escaped HTML without scripts, in the colours of the page.

The values themselves live in higher layers; here they are looked at by their public attributes.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from snews_drill.errors import DrillError
from snews_drill.messages.times import iso_micro
from snews_drill.messages.visible import visible

#: Characters of a message that are shown; lines of a list.
_MAX_CHARACTERS = 20_000
_MAX_LINES = 200

#: Notebooks typeset what stands between dollar signs, unless an element says no.
_AS_TEXT = "tex2jax_ignore mathjax_ignore"

_LEFT = "text-align:left"
_PRE = "white-space:pre-wrap;overflow-wrap:anywhere;margin:4px 0 4px 16px"


def publisher_html(publisher: Any) -> str:
    """Return the messages of a publisher, each to be opened, and what is wrong with them."""
    name = publisher.message_data["detector_name"]
    head = f"<div><b>{as_text(name)}</b>: {_count(len(publisher.messages), 'message')} to send</div>"
    dialect = publisher.dialect
    parts = [_message("to send", content, dialect) for content in publisher.messages[:_MAX_LINES]]
    parts += [_message("not valid", content, dialect) for content in publisher.invalid_messages[:_MAX_LINES]]
    return _block(head + "".join(parts) + _problems(publisher.problems))


def connection_html(connection: Any) -> str:
    """Return where a connection leads and who you are."""
    topics = connection.topics()
    try:
        who = connection.detector_name or "not named yet: set_name()"
    except DrillError:  # a remembered name that cannot be used must not break showing the connection
        who = "not named yet: set_name()"
    state = "" if connection.is_open else ", closed"
    live = "; LIVE: other people read what is written" if connection.profile.is_live else ""
    rows = {
        "Broker": connection.broker,
        "Account": connection.credential.name if connection.credential is not None else "none used",
        "Dialect": connection.dialect.NAME,
        "Writes to": topics.observations,
        "Reads": f"{topics.alerts}, {topics.connection}",
        "You are": who,
    }
    return _block(f"<div><b>{as_text(connection.profile.name)}</b>{state}{live}</div>{_table(rows)}")


def report_html(report: Any) -> str:
    """Return the outcome of a connection test."""
    mark, word = ("✓", "confirmed") if report.is_confirmed else ("✗", "not confirmed")
    rows = {"Sent to": report.sent_to, "Expected from": report.expected_from, "When (UTC)": report.time}
    head = f"{mark} <b>{as_text(report.detector_name)}</b> {word} after {report.milliseconds:.0f} ms"
    return _block(f"<div>{head}</div>{_table(rows)}")


def reply_html(reply: Any) -> str:
    """Return what the drill server answered."""
    mark = "✓" if reply.is_confirmed else "✗"
    return _block(
        f"<div>{mark} <b>{as_text(reply.command)}</b>: {as_text(reply.answer)} ({reply.milliseconds:.0f} ms)</div>"
    )


def receipts_html(receipts: Sequence[Any]) -> str:
    """Return the acknowledgements of the broker as a table."""
    rows = "".join(
        f'<tr><td style="{_LEFT}">{as_text(r.topic)}</td><td>{r.partition}</td><td>{r.offset}</td>'
        f"<td>{r.milliseconds:.1f} ms</td></tr>"
        for r in receipts[:_MAX_LINES]
    )
    head = f'<th style="{_LEFT}">Topic</th><th>Partition</th><th>Offset</th><th>Acknowledged after</th>'
    title = f"<div>✓ {_count(len(receipts), 'message')} acknowledged</div>"
    return _block(
        f"{title}<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{_more(receipts)}"
    )


def outbox_html(outbox: Any) -> str:
    """Return what waits in an outbox as a table."""
    entries, damaged = outbox.entries, outbox.damaged
    waiting = f"{_count(len(entries), 'message')} not acknowledged" if entries else "nothing waits"
    rows = "".join(
        f"<tr>{_cells(e.id, e.detector_name, e.tier, f'{e.topic} on {e.broker}', iso_micro(e.kept_ns)[:16], e.reason)}</tr>"
        for e in entries[:_MAX_LINES]
    )
    head = "".join(
        f'<th style="{_LEFT}">{word}</th>'
        for word in ("Entry", "Detector", "Message", "For", "Since (UTC)", "Why")
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if entries else ""
    aside = f"<div>! {_count(len(damaged), 'damaged file')} kept aside</div>" if damaged else ""
    how = "<div><code>Outbox().send()</code> or <code>Outbox().drop(entry)</code></div>" if entries else ""
    return _block(f"<div><b>Outbox</b>: {waiting}</div>{table}{_more(entries)}{aside}{how}")


def dispatch_html(report: Any) -> str:
    """Return what became of messages that were sent from the outbox."""
    rows = "".join(
        f"<tr>{_cells('✓' if one.is_sent else '✗', one.entry.id, one.entry.tier, one.reason or 'acknowledged')}</tr>"
        for one in report[:_MAX_LINES]
    )
    head = f"<div>{len(report.sent)} sent and acknowledged, {len(report.kept)} still in the outbox</div>"
    return _block(f"{head}<table><tbody>{rows}</tbody></table>{_more(report)}")


def _cells(*texts: str) -> str:
    return "".join(f'<td style="{_LEFT}">{as_text(text, 300)}</td>' for text in texts)


def _message(state: str, content: Any, dialect: Any) -> str:
    tier = dialect.tier_of(content) if isinstance(content, Mapping) else None
    word = tier.value if tier is not None else "?"
    return (
        f"<details><summary>{as_text(word)} ({state})</summary>"
        f'<pre style="{_PRE}">{html.escape(_json(content))}</pre></details>'
    )


def _json(content: Any) -> str:
    # Anything may stand in an edited message, and an invalid one may hold what JSON has no word for.
    try:
        text = json.dumps(content, indent=2, ensure_ascii=False, default=repr)
    except (TypeError, ValueError, RecursionError):
        text = repr(content)
    lines = text[:_MAX_CHARACTERS].split("\n")
    more = f"\n… ({len(text)} characters)" if len(text) > _MAX_CHARACTERS else ""
    return "\n".join(visible(line, _MAX_CHARACTERS) for line in lines) + more


def _problems(problems: Sequence[Any]) -> str:
    lines = "".join(
        f"<li>{'✗' if problem.is_fatal else '!'} {as_text(problem, 600)}</li>"
        for problem in problems[:_MAX_LINES]
    )
    return f'<ul style="list-style:none;padding-left:0">{lines}</ul>{_more(problems)}' if lines else ""


def _more(entries: Sequence[Any]) -> str:
    left = len(entries) - _MAX_LINES
    return f"<div>… and {left} more</div>" if left > 0 else ""


def _table(rows: Mapping[str, str]) -> str:
    return f"<table><tbody>{''.join(_rows(rows.items()))}</tbody></table>"


def _rows(rows: Iterable[tuple[str, str]]) -> Iterable[str]:
    for name, value in rows:
        yield f'<tr><th scope="row" style="{_LEFT}">{as_text(name)}</th><td style="{_LEFT}">{as_text(value, 300)}</td></tr>'


def _block(content: str) -> str:
    return f'<div class="{_AS_TEXT}">{content}</div>'


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def as_text(text: object, longest: int = 120) -> str:
    """Return a text, escaped and shortened, in which every character can be seen."""
    return html.escape(visible(text, longest), quote=True)
