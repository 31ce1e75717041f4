"""The form for credentials: what it keeps, what it shows, and that no password stays in a widget."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hop.auth
import ipywidgets
import pytest
from credential_home import SECRET, Home, make_home

from snews_drill.credentials import add_credential
from snews_drill.errors import DrillError, NotAuthenticated, SettingsError
from snews_drill.profiles import LIVE_BROKER
from snews_drill.widgets import CredentialsForm


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    return make_home(tmp_path, monkeypatch)


def everything_saved(form: CredentialsForm) -> str:
    """Every widget's state, as a notebook that saves widgets would hold it, and every text of the form."""
    states = ipywidgets.Widget.get_manager_state()
    own = [part.get_state() for part in walk(form.widget)]
    return json.dumps([states, own], default=repr) + repr(form) + repr(vars(form)) + form.message


def walk(widget: Any) -> list[Any]:
    return [widget, *(found for child in getattr(widget, "children", ()) for found in walk(child))]


def type_password(form: CredentialsForm, secret: str) -> None:
    """Do what the browser does when the field is left."""
    form._password.set_state({"value": secret})


def test_what_is_typed_is_kept_in_hops_store_and_nowhere_else(home: Home) -> None:
    """From typing to Add: the secret is in no state at any moment in between, and hop can read it."""
    form = CredentialsForm()
    form.user, form.host = "member", "broker.example.org:9093"
    type_password(form, SECRET)
    assert form._password.value == ""
    assert form.has_password
    assert SECRET not in everything_saved(form)
    assert json.dumps(SECRET)[1:-1] not in everything_saved(form)
    form._add.click()
    assert not form.has_password
    assert "Added member" in form.message
    assert SECRET not in everything_saved(form)
    assert hop.auth.load_auth()[0].password == SECRET
    assert home.mode() == 0o600
    assert repr(form) == "CredentialsForm(1 credential)"


def test_a_value_in_the_field_itself_is_in_no_state(home: Home) -> None:
    """Even if something put it there and nobody took it away."""
    form = CredentialsForm()
    form._password.unobserve_all("value")
    form._password.value = SECRET
    assert form._password.value == SECRET
    assert SECRET not in everything_saved(form)
    assert form._password.get_state("value") == {"value": ""}


def test_the_browser_is_told_to_empty_the_field_and_nothing_else(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No message to a page carries the secret: ipywidgets would echo it to all of them."""
    form = CredentialsForm()
    sent: list[object] = []
    monkeypatch.setattr(form._password, "_send", lambda message, buffers=None: sent.append(message))
    type_password(form, SECRET)
    assert {"method": "update", "state": {"value": ""}, "buffer_paths": []} in sent
    assert SECRET not in json.dumps(sent, default=repr)


def test_the_field_hands_over_whole_values() -> None:
    """Letter by letter, a page could save half a password."""
    assert CredentialsForm()._password.continuous_update is False


def test_without_a_password_it_says_so(home: Home) -> None:
    form = CredentialsForm()
    form.user = "member"
    form._add.click()
    assert "no password yet" in form.message
    assert "Next step" in form.message
    with pytest.raises(SettingsError):
        form.add()
    assert not home.store.exists()


def test_a_refused_entry_keeps_what_was_typed_for_the_next_try(home: Home) -> None:
    """Only the host was wrong."""
    form = CredentialsForm()
    form.user, form.host = "member", "no host"
    type_password(form, SECRET)
    form._add.click()
    assert "no host of a broker" in form.message
    form.host = LIVE_BROKER
    form._add.click()
    assert [one.host for one in form.credentials] == [LIVE_BROKER]


def test_replacing_must_be_asked_for(home: Home) -> None:
    form = CredentialsForm()
    form.user = "member"
    form.add("first")
    with pytest.raises(SettingsError, match="already"):
        form.add(SECRET)
    form.replaces = True
    form.add(SECRET)
    assert hop.auth.load_auth()[0].password == SECRET
    assert SECRET not in everything_saved(form)


def test_list_and_remove(home: Home) -> None:
    """Names and hosts, as text; the buttons have nothing to do when there is none."""
    form = CredentialsForm()
    assert "no credentials yet" in form._list.value
    assert form._test.disabled
    assert form._remove.disabled
    add_credential("<b>member</b>", SECRET, "broker.example.org")
    form.refresh()
    assert "&lt;b&gt;member" in form._list.value
    assert "<b>member" not in form._list.value
    assert "broker.example.org" in form._host.options
    form._remove.click()
    assert "Removed" in form.message
    assert form.credentials == ()
    with pytest.raises(DrillError, match="No credential is chosen"):
        form.remove()


def test_testing_is_done_in_the_background_and_shown(home: Home) -> None:
    """Nobody listens there."""
    add_credential("member", SECRET, "127.0.0.1:1")
    form = CredentialsForm()
    form.press_test()
    form.join()
    assert "does not answer" in form.message
    assert "Next step" in form.message
    with pytest.raises(DrillError):
        form.test(timeout=0.2)
    assert SECRET not in everything_saved(form)


def test_an_open_store_is_told(home: Home) -> None:
    """With the command that closes it; nothing is written."""
    add_credential("member", SECRET, LIVE_BROKER)
    home.store.chmod(0o644)
    form = CredentialsForm()
    assert "chmod 600" in form._list.value
    form.user = "second"
    with pytest.raises(NotAuthenticated):
        form.add(SECRET)
    assert SECRET not in everything_saved(form)
