"""A form for credentials: what is typed as password is taken out of the widget before anything can save it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets
import traitlets
from pydantic import SecretStr

from snews_drill.credentials import (
    Credential,
    add_credential,
    list_credentials,
    remove_credential,
    test_credential,
)
from snews_drill.errors import DrillError, SettingsError
from snews_drill.profiles import LIVE_BROKER
from snews_drill.widgets.errand import Errand
from snews_drill.widgets.look import escaped, note, panel
from snews_drill.widgets.shown import Shown, error_html

_WIDE = {"description_width": "150px"}
_LAYOUT = {"width": "560px", "max_width": "98%"}


class _Unsaved(ipywidgets.Password):  # type: ignore[misc]
    """A password field whose value is in no state: neither in the notebook's, nor echoed to other views of it.

    The browser hands the value over when the field is left or Enter is pressed, not letter by letter; it is taken at once.
    """

    value = traitlets.Unicode("").tag(sync=True, echo_update=False)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> Any:  # noqa: FBT001, FBT002 - ipywidgets' own
        state = super().get_state(key=key, drop_defaults=drop_defaults)
        return {**state, "value": ""} if "value" in state else state


class CredentialsForm(Shown):
    """Adds, lists, tests and removes credentials in hop-client's own store; no password is ever shown or kept here.

    Parameters
    ----------
    host
        The broker that is proposed.

    Attributes
    ----------
    credentials : tuple of Credential
        What the store holds, as last read.

    Examples
    --------
    >>> form = CredentialsForm()  # doctest: +SKIP
    >>> form  # doctest: +SKIP
    CredentialsForm(0 credentials)
    """

    def __init__(self, host: str = LIVE_BROKER) -> None:
        self.credentials: tuple[Credential, ...] = ()
        self._secret: SecretStr | None = None
        self._errand = Errand("snews_drill credential test", self._show_error)
        self._user = ipywidgets.Text(description="User name", style=_WIDE, layout=_LAYOUT)
        self._password = _Unsaved(
            description="Password", style=_WIDE, layout=_LAYOUT, continuous_update=False
        )
        self._password.observe(self._take_password, names="value")
        self._host = ipywidgets.Combobox(
            value=host, options=(LIVE_BROKER,), description="Broker", style=_WIDE, layout=_LAYOUT
        )
        self._authority = ipywidgets.Text(
            description="Authority (PEM file)",
            tooltip="Only if the broker's certificate is by none of the public authorities",
            style=_WIDE,
            layout=_LAYOUT,
        )
        self._replace = ipywidgets.Checkbox(
            description="Replace one of the same name and broker", indent=False, layout=_LAYOUT
        )
        self._taken = ipywidgets.HTML()
        self._add = _button("Add", "Keep this credential in hop's store", self._shown(self.add), "primary")
        self._list = ipywidgets.HTML()
        self._choice = ipywidgets.Dropdown(description="Credential", style=_WIDE, layout=_LAYOUT)
        self._test = _button("Test", "Sign in to its broker; nothing is written there", self._start_test)
        self._remove = _button("Remove", "Take it out of the store", self._shown(self.remove))
        self._said = ipywidgets.HTML()
        self.widget = panel(self._rows(), title="Credentials")
        self.refresh()

    def _rows(self) -> list[ipywidgets.Widget]:
        chosen = ipywidgets.HBox([self._choice, self._test, self._remove], layout={"flex_flow": "row wrap"})
        return [
            self._list,
            chosen,
            self._user,
            self._password,
            self._taken,
            self._host,
            self._authority,
            self._replace,
            self._add,
            self._said,
        ]

    # -- fields -------------------------------------------------------------------------------------------------

    @property
    def user(self) -> str:
        """The user name."""
        return str(self._user.value)

    @user.setter
    def user(self, name: str) -> None:
        self._user.value = name

    @property
    def host(self) -> str:
        """The broker, "host" or "host:port"."""
        return str(self._host.value)

    @host.setter
    def host(self, host: str) -> None:
        self._host.value = host

    @property
    def ssl_ca_location(self) -> str:
        """A PEM file with the authority to trust; "" for the public ones."""
        return str(self._authority.value)

    @ssl_ca_location.setter
    def ssl_ca_location(self, path: str) -> None:
        self._authority.value = path

    @property
    def replaces(self) -> bool:
        """Whether one of the same name and broker is replaced."""
        return bool(self._replace.value)

    @replaces.setter
    def replaces(self, is_wanted: bool) -> None:
        self._replace.value = is_wanted

    @property
    def has_password(self) -> bool:
        """Whether a password was typed and waits for Add."""
        return self._secret is not None

    @property
    def message(self) -> str:
        """What was said last, as HTML."""
        return str(self._said.value)

    def _take_password(self, change: Any) -> None:
        if change["new"]:
            self._secret = SecretStr(change["new"])
            self._password.value = ""
            self._taken.value = note("quiet", "Password taken; the field is empty again. Now press Add.")

    # -- what the buttons do -------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read the store again and show it; what is wrong with it is shown, not raised."""
        try:
            self.credentials = tuple(list_credentials())
        except DrillError as error:
            self.credentials = ()
            self._list.value = error_html(error)
        else:
            self._list.value = _table(self.credentials)
        options = [
            (f"{one.name} for {one.host or '(any host)'}", place)
            for place, one in enumerate(self.credentials)
        ]
        before = self._choice.value
        self._choice.options = options
        if options:
            self._choice.value = before if before is not None and before < len(options) else 0
        for part in (self._choice, self._test, self._remove):
            part.disabled = not options
        hosts = dict.fromkeys((LIVE_BROKER, *(one.host for one in self.credentials if one.host)))
        self._host.options = tuple(hosts)

    def add(self, password: str | SecretStr | None = None) -> Credential:
        """Keep what the form says in hop's store.

        Parameters
        ----------
        password
            Instead of the one that was typed; better not written into a notebook.

        Raises
        ------
        DrillError
            If it cannot be kept; it is shown as well.
        """
        secret = password if password is not None else self._secret
        with self._showing():
            if secret is None:
                raise SettingsError(
                    "There is no password yet.", next_step="Type it into its field; it is not shown."
                )
            made = add_credential(
                self.user, secret, self.host, self.ssl_ca_location or None, replace=self.replaces
            )
        self._secret = None
        self._taken.value = ""
        self.refresh()
        self._said.value = note("ok", f"Added {made.name} for {made.host}.")
        return made

    def remove(self) -> Credential:
        """Take the chosen credential out of the store.

        Raises
        ------
        DrillError
            If none is chosen, or the store cannot be written; it is shown as well.
        """
        with self._showing():
            chosen = self._chosen()
            gone = remove_credential(chosen.name, chosen.host)
        self.refresh()
        self._said.value = note("ok", f"Removed {gone.name} for {gone.host or '(any host)'}.")
        return gone

    def test(self, timeout: float = 10.0) -> Credential:
        """Sign in to the chosen credential's broker; nothing is written there.

        Raises
        ------
        DrillError
            If none is chosen, or the broker refuses or does not answer; it is shown as well.
        """
        with self._showing():
            chosen = self._chosen()
            host = chosen.host or self.host
            self._said.value = note("quiet", f"Signing in to {host} …")
            accepted = test_credential(host, timeout=timeout)
        self._said.value = note("ok", f"{host} accepts {accepted.name}.")
        return accepted

    def press_test(self) -> None:
        """Press Test: it is done in the background, and what goes wrong is shown."""
        self._test.click()

    def join(self, timeout: float = 15.0) -> None:
        """Wait until a test in the background is over, at most `timeout` seconds."""
        self._errand.join(timeout)

    def _start_test(self) -> None:
        self._errand.run(self._shown(self.test))

    def _chosen(self) -> Credential:
        place = self._choice.value
        if place is None or not 0 <= place < len(self.credentials):
            raise SettingsError("No credential is chosen.", next_step="Add one, or choose one from the list.")
        return self.credentials[int(place)]

    @contextlib.contextmanager
    def _showing(self) -> Iterator[None]:
        try:
            yield
        except DrillError as error:
            self._show_error(error)
            raise

    def _shown(self, do: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            with contextlib.suppress(DrillError):  # it is shown
                do()

        return run

    def _show_error(self, error: DrillError) -> None:
        self._said.value = error_html(error)

    def __repr__(self) -> str:
        count = len(self.credentials)
        return f"CredentialsForm({count} credential{'' if count == 1 else 's'})"


def _button(words: str, tooltip: str, do: Callable[[], None], style: str = "") -> ipywidgets.Button:
    button = ipywidgets.Button(description=words, tooltip=tooltip, button_style=style)
    button.on_click(lambda _: do())
    return button


def _table(credentials: tuple[Credential, ...]) -> str:
    if not credentials:
        return note("quiet", "There are no credentials yet. They are kept in hop's own private file.")
    rows = "".join(
        f"<tr><td>{escaped(one.name)}</td><td><code>{escaped(one.host or '(any host)')}</code></td>"
        f"<td>{escaped(one.mechanism)}{'' if one.is_encrypted else ', not encrypted'}</td></tr>"
        for one in credentials
    )
    head = '<tr><th scope="col">User name</th><th scope="col">Broker</th><th scope="col">How</th></tr>'
    return f'<table class="sd-table"><thead>{head}</thead><tbody>{rows}</tbody></table>'
