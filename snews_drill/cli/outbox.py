"""`outbox`: the messages that no broker acknowledged: look at them, send them, drop them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from snews_drill.cli.options import JsonOption, ProfileOption
from snews_drill.cli.screen import Screen, command
from snews_drill.cli.text import to_json
from snews_drill.errors import DrillError
from snews_drill.messages.visible import counted

if TYPE_CHECKING:
    from snews_drill.outbox import Dispatched, OutboxEntry

_outbox = typer.Typer(
    help="Messages that no broker acknowledged: list, show, send, drop.", no_args_is_help=True
)

SomeEntries = Annotated[
    list[str] | None, typer.Argument(metavar="[ID…]", help="Which; the first digits are enough.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(_outbox, name="outbox")


@_outbox.command("list")
def list_waiting(profile: ProfileOption = None, is_json: JsonOption = False) -> None:
    """Show what waits, where it was meant to go, and why it did not get there."""
    with command(is_json) as screen:
        from snews_drill.outbox import Outbox

        outbox, wanted = Outbox(), _profile_name(profile)
        entries = [entry for entry in outbox.entries if wanted in (None, entry.profile)]
        for entry in entries:
            _tell(screen, entry)
        if not entries:
            screen.say("Nothing waits.")
        for path in outbox.damaged:
            screen.note(f"Damaged, kept aside: {path}", style="yellow")
        screen.emit(
            {
                "ok": True,
                "entries": [_to_dict(entry) for entry in entries],
                "damaged": [str(path) for path in outbox.damaged],
            }
        )


@_outbox.command("show")
def show(
    entry_id: Annotated[str, typer.Argument(metavar="ID", help="The first digits are enough.")],
    is_json: JsonOption = False,
) -> None:
    """Show one message as it would be sent."""
    with command(is_json) as screen:
        from snews_drill.outbox import Outbox

        entry = Outbox().find(entry_id)
        _tell(screen, entry)
        for key, value in entry.fields.items():
            screen.say(f"  {key:<19}: {value if isinstance(value, str) else to_json(value)}")
        screen.emit({"ok": True, "entry": _to_dict(entry)})


@_outbox.command("send")
def send(
    entry_ids: SomeEntries = None,
    profile: ProfileOption = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, max=3600, help="Seconds to wait for each broker.")
    ] = 10.0,
    is_json: JsonOption = False,
) -> None:
    """Send what waits, each message where it was meant to go; all of them, or those that are named."""
    with command(is_json) as screen:
        from snews_drill.outbox import Outbox

        with screen.progress("Sending …"):
            report = Outbox().send(*(entry_ids or ()), profile=_profile_name(profile), timeout=timeout)
        screen.result["messages"] = [_outcome(one) for one in report]
        for one in report:
            _tell_outcome(screen, one)
        if not report:
            raise DrillError(
                f"{counted(len(report.kept), 'message')} of {len(report)} still in the outbox.",
                next_step="Do what is said above for each, then: snews-drill outbox send",
            )
        screen.say(f"{counted(len(report), 'message')} sent." if len(report) else "Nothing waits.")
        screen.emit({"ok": True, **screen.result})


@_outbox.command("drop")
def drop(
    entry_ids: SomeEntries = None,
    everything: Annotated[bool, typer.Option("--all", help="Every one of them.")] = False,
    is_json: JsonOption = False,
) -> None:
    """Remove messages for good; they are not sent."""
    if bool(entry_ids) == everything:
        raise typer.BadParameter("Name entries, or say --all.")
    with command(is_json) as screen:
        from snews_drill.outbox import Outbox

        outbox = Outbox()
        dropped = outbox.drop_all() if everything else outbox.drop(*(entry_ids or ()))
        for entry in dropped:
            screen.say(f"Dropped {entry.id}: {entry.detector_name} {entry.tier} for {entry.url}")
        screen.say(f"{counted(len(dropped), 'message')} dropped.")
        screen.emit({"ok": True, "dropped": [_to_dict(entry) for entry in dropped]})


def _profile_name(profile: str | None) -> str | None:
    if profile is None:
        return None
    from snews_drill.profiles import get_profile

    return get_profile(profile).name


def _tell(screen: Screen, entry: OutboxEntry) -> None:
    from snews_drill.messages.times import iso_micro

    live = " (live)" if entry.is_live else ""
    screen.say(
        f"{entry.id}  {entry.detector_name} {entry.tier}, sent first {iso_micro(entry.kept_ns)[:19]} UTC",
        "bold",
    )
    screen.say(
        f"  for {entry.url} ({entry.profile}{live}, dialect {entry.dialect}); tried {counted(entry.attempts, 'time')}"
    )
    for line in (entry.reason, entry.remark):
        if line:
            screen.say(f"  {line}")


def _tell_outcome(screen: Screen, one: Dispatched) -> None:
    what = f"{one.entry.id}  {one.entry.detector_name} {one.entry.tier}"
    if one.receipt is not None:
        ms = one.receipt.milliseconds
        screen.say(f"{what}: sent to {one.entry.url}, acknowledged in {ms:.1f} ms", style="green")
        return
    screen.note(f"{what}: {one.reason}", style="bold red")
    screen.note(f"  Next step: {one.next_step}", style="")


def _outcome(one: Dispatched) -> dict[str, Any]:
    found: dict[str, Any] = {"id": one.entry.id, "sent": one.is_sent}
    if one.receipt is not None:
        receipt = one.receipt
        place = {"topic": receipt.topic, "partition": receipt.partition, "offset": receipt.offset}
        return {**found, **place, "ms": round(receipt.milliseconds, 3)}
    return {**found, "reason": one.reason, "next_step": one.next_step}


def _to_dict(entry: OutboxEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "detector_name": entry.detector_name,
        "tier": entry.tier,
        "profile": entry.profile,
        "broker": entry.broker,
        "topic": entry.topic,
        "dialect": entry.dialect,
        "is_live": entry.is_live,
        "kept_ns": entry.kept_ns,
        "tried_ns": entry.tried_ns,
        "attempts": entry.attempts,
        "is_being_sent": entry.is_being_sent,
        "reason": entry.reason,
        "remark": entry.remark,
        "message": entry.fields,
    }
