"""`auth`: credentials in hop-client's own store. What is not ours is handed to `hop auth`."""

from __future__ import annotations

import getpass
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from snews_drill.cli.options import FiredrillOption, JsonOption, ProfileOption, check_profile
from snews_drill.cli.screen import Screen, command
from snews_drill.cli.text import visible

#: A file that holds a password is one line; nothing larger is read, bytes.
_MAX_PASSWORD_FILE = 4096


class _WithHop(TyperGroup):
    """Knows our own verbs and takes every other word for one of hop-client's."""

    def get_command(self, context: Any, name: str) -> Any:
        return super().get_command(context, name) or super().get_command(context, "hop")

    def resolve_command(self, context: Any, args: list[str]) -> Any:
        if super().get_command(context, args[0]) is None:
            return "hop", super().get_command(context, "hop"), args
        return super().resolve_command(context, args)


_auth = typer.Typer(
    cls=_WithHop,
    help="Keep credentials for brokers that ask for an account, in hop-client's own private file.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(_auth, name="auth")


@_auth.callback()
def auth(
    context: typer.Context,
    profile: ProfileOption = None,
    firedrill: FiredrillOption = True,  # noqa: ARG001 - every command takes it
    is_json: JsonOption = False,
) -> None:
    """Keep credentials: list, add, remove, test; any other word is handed to `hop auth` (such as locate)."""
    with command(is_json):
        check_profile(profile)
    context.obj = {"profile": profile, "is_json": is_json}


@_auth.command("list")
def list_stored(context: typer.Context, is_json: JsonOption = False) -> None:
    """Show names and hosts; never a password."""
    with _command(context, is_json) as screen:
        from snews_drill.credentials import list_credentials
        from snews_drill.transport import store_path

        found = list_credentials()
        screen.note(f"{store_path()}: {len(found)} credential{'' if len(found) == 1 else 's'}")
        for credential in found:
            screen.say(f"{credential.name} for {credential.host or '(any host)'}")
        screen.emit({"ok": True, "credentials": [_to_dict(credential) for credential in found]})


@_auth.command("add")
def add(
    context: typer.Context,
    csv_file: Annotated[
        str | None, typer.Argument(help="hop's CSV file with a credential.", show_default=False)
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", "-u", help="The user name; asked for otherwise.")
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", help="host or host:port of the broker; the profile's otherwise.")
    ] = None,
    authority: Annotated[
        Path | None,
        typer.Option("--ca", metavar="FILE", help="The authority to trust, if not a public one (PEM)."),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", metavar="FILE", help="A private file (0600) with the password."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace one of the same name and host.")] = False,
    is_json: JsonOption = False,
) -> None:
    """Add a credential. The password is asked for and not shown; there is no option for it, because others see those."""
    if csv_file is not None:
        hand_over(context, ["add", csv_file, *(["--force"] if force else [])], is_json)
        return
    with _command(context, is_json) as screen:
        from snews_drill.credentials import add_credential

        where = host or _profile_host(context.obj["profile"])
        name = user or _asked(screen, f"User name for {where}:")
        secret = _password(password_file)
        made = add_credential(name, secret, where, authority, replace=force)
        screen.say(f"Added {made.name} for {made.host}.")
        screen.note(f"Try it with: snews-drill auth test {made.host}")
        screen.emit({"ok": True, "credential": _to_dict(made)})


@_auth.command("remove")
def remove(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="NAME, or NAME@HOST where there are several.")],
    is_json: JsonOption = False,
) -> None:
    """Take a credential out of the store."""
    with _command(context, is_json) as screen:
        from snews_drill.credentials import list_credentials, remove_credential

        # A name may hold an @ itself: the whole word is tried first.
        is_name = any(credential.name == name for credential in list_credentials())
        user, _, host = (name, "", "") if is_name else name.rpartition("@")
        gone = remove_credential(user or name, host or None if user else None)
        screen.say(f"Removed {gone.name} for {gone.host or '(any host)'}.")
        screen.emit({"ok": True, "credential": _to_dict(gone)})


@_auth.command("test")
def try_out(
    context: typer.Context,
    host: Annotated[
        str | None, typer.Argument(help="host or host:port; the profile's otherwise.", show_default=False)
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.1)] = 10.0,
    is_json: JsonOption = False,
) -> None:
    """Sign in to the broker; nothing is written there."""
    with _command(context, is_json) as screen:
        from snews_drill.credentials import test_credential

        where = host or _profile_host(context.obj["profile"])
        with screen.progress(f"Signing in to {where} …"):
            accepted = test_credential(where, timeout=timeout)
        screen.say(f"{where} accepts {accepted.name}.")
        screen.emit({"ok": True, "credential": _to_dict(accepted)})


@_auth.command(
    "hop",
    hidden=True,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def other(context: typer.Context) -> None:
    """Hand what is not ours to hop-client."""
    hand_over(context, list(context.args))


def hand_over(context: typer.Context, words: list[str], is_json: bool = False) -> None:
    """Run `hop auth` with these words."""
    is_json = is_json or "--json" in words
    words = [word for word in words if word != "--json"]
    with _command(context, is_json) as screen:
        whole = [sys.executable, "-P", "-m", "hop", "auth", *words]
        piped = subprocess.PIPE if screen.is_json else None
        done = subprocess.run(whole, check=False, stdout=piped, text=True)  # noqa: S603 - a list of words, no shell
        if done.returncode:
            from snews_drill.errors import NotAuthenticated

            raise NotAuthenticated(
                f"hop auth ended with exit code {done.returncode}.",
                next_step="What it said stands above; credentials are added with: snews-drill auth add",
            )
        screen.emit({"ok": True, "output": (done.stdout or "").splitlines()})


def _command(context: typer.Context, is_json: bool) -> Any:
    return command(is_json or bool((context.obj or {}).get("is_json")))


def _to_dict(credential: Any) -> dict[str, Any]:
    return {
        "name": credential.name,
        "host": credential.host,
        "mechanism": credential.mechanism,
        "ssl_ca_location": credential.ssl_ca_location,
    }


def _profile_host(profile: str | None) -> str:
    from snews_drill.profiles import LIVE_BROKER, chosen_profile
    from snews_drill.settings import load_settings

    # A rehearsal asks for no account: whoever adds a credential means the live broker.
    return chosen_profile(profile, load_settings()).broker or LIVE_BROKER


def _asked(screen: Screen, question: str) -> str:
    from snews_drill.errors import SettingsError

    if sys.stdin is not None and sys.stdin.isatty():
        screen.note(question, style="bold")
        try:
            return input().strip()
        except EOFError:
            pass
    raise SettingsError("You have not said the user name.", next_step="Give it: --user NAME")


def _password(file: Path | None) -> str:
    from snews_drill.errors import SettingsError
    from snews_drill.settings import read_private_file

    if file is not None:
        try:
            content = read_private_file(file, max_bytes=_MAX_PASSWORD_FILE)
        except SettingsError as error:
            raise SettingsError(
                error.reason, next_step=f"Only you may read a file with a password: chmod 600 {visible(file)}"
            ) from None
        if content is None:
            raise SettingsError(f"There is no file {visible(file)}.", next_step="Check its name.")
        try:
            return content.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            pass
        raise SettingsError(f"{visible(file)} is not text.", next_step="Write the password alone into it.")
    if sys.stdin is None or not sys.stdin.isatty():
        # getpass would read it from a pipe, with a warning that it is shown.
        raise SettingsError(
            "There is no terminal to ask for the password.",
            next_step="Write it into a private file (chmod 600) and give: --password-file FILE",
        )
    try:
        return getpass.getpass("Password (not shown): ", stream=sys.stderr)
    except EOFError:
        return ""
