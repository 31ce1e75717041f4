"""Settings: environment before file before default; written to the user's folder only, privately."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from snews_drill.errors import DrillError, SettingsError
from snews_drill.settings import (
    ENVIRONMENT,
    DrillSettings,
    default_folders,
    expanded,
    load_settings,
    make_private_dir,
    read_private_file,
    remember,
    write_private_file,
)

posix_only = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
not_root = pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write everywhere")

#: Setting -> (variable, value in the environment, value in the file, as they are read).
PAIRS = {
    "detector_name": ("SNEWS_DRILL_NAME", "LZ", '"LVD"', "LZ", "LVD", None),
    "profile": ("SNEWS_DRILL_PROFILE", "test", '"firedrill"', "test", "firedrill", "rehearsal"),
    "topics_prefix": ("SNEWS_DRILL_TOPICS_PREFIX", "a.", '"b."', "a.", "b.", ""),
    "smtp_host": ("SNEWS_DRILL_SMTP_HOST", "mail.e", '"mail.f"', "mail.e", "mail.f", None),
    "smtp_port": ("SNEWS_DRILL_SMTP_PORT", "2525", "587", 2525, 587, 25),
    "smtp_user": ("SNEWS_DRILL_SMTP_USER", "me", '"you"', "me", "you", None),
    "smtp_password": ("SNEWS_DRILL_SMTP_PASSWORD", "pw-e", '"pw-f"', "pw-e", "pw-f", None),
    "smtp_sender": ("SNEWS_DRILL_SMTP_SENDER", "a@e", '"a@f"', "a@e", "a@f", "snews-drill@localhost"),
    "admin_token": ("SNEWS_DRILL_ADMIN_TOKEN", "tok-e", '"tok-f"', "tok-e", "tok-f", None),
}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment in which every folder lies below one of the test's own."""
    return {"SNEWS_DRILL_HOME": str(tmp_path / "home")}


def config_file(environ: dict[str, str]) -> Path:
    return default_folders(environ)["config_dir"] / "config.toml"


def write(environ: dict[str, str], text: str | bytes) -> Path:
    path = config_file(environ)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def value_of(settings: DrillSettings, name: str) -> object:
    value = getattr(settings, name)
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def test_every_variable_has_its_pair_here() -> None:
    """The table below covers what the environment can say."""
    assert {variable: name for name, (variable, *_) in PAIRS.items()} == ENVIRONMENT


@pytest.mark.parametrize("name", PAIRS)
def test_the_default_holds_where_nothing_is_said(environ: dict[str, str], name: str) -> None:
    """Without a file and a variable."""
    assert value_of(load_settings(environ), name) == PAIRS[name][5]


@pytest.mark.parametrize("name", PAIRS)
def test_the_file_wins_over_the_default(environ: dict[str, str], name: str) -> None:
    """What the user wrote counts."""
    write(environ, f"{name} = {PAIRS[name][2]}\n")
    assert value_of(load_settings(environ), name) == PAIRS[name][4]


@pytest.mark.parametrize("name", PAIRS)
def test_the_environment_wins_over_the_default(environ: dict[str, str], name: str) -> None:
    """A variable alone counts."""
    assert value_of(load_settings({**environ, PAIRS[name][0]: PAIRS[name][1]}), name) == PAIRS[name][3]


@pytest.mark.parametrize("name", PAIRS)
def test_the_environment_wins_over_the_file(environ: dict[str, str], name: str) -> None:
    """And an empty variable says nothing."""
    write(environ, f"{name} = {PAIRS[name][2]}\n")
    assert value_of(load_settings({**environ, PAIRS[name][0]: PAIRS[name][1]}), name) == PAIRS[name][3]
    assert value_of(load_settings({**environ, PAIRS[name][0]: ""}), name) == PAIRS[name][4]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("this is not TOML", "cannot be read"),
        (b"\xff\xfe\x00", "cannot be read"),
        ("detector_nam = 'LZ'", "detector_nam"),
        ("smtp_port = 0", "smtp_port"),
        ("smtp_port = 'many'", "smtp_port"),
        ("detector_name = 5", "detector_name"),
        ("[profile]\nname = 'x'", "profile"),
        ("config_dir = '/elsewhere'", "config_dir"),
        ("state_dir = '~/drills'", "state_dir"),
        ("state_dir = 'drills'", "state_dir"),
        ("admin_token = 5", "admin_token"),
    ],
)
def test_a_faulty_file_is_a_clear_error(environ: dict[str, str], content: str | bytes, word: str) -> None:
    """Place and setting are named; nothing is guessed."""
    path = write(environ, content)
    with pytest.raises(SettingsError, match=word) as caught:
        load_settings(environ)
    assert str(path) in str(caught.value)
    assert caught.value.next_step


def test_a_faulty_variable_is_named(environ: dict[str, str]) -> None:
    """The place that is wrong is the variable, not the file."""
    with pytest.raises(SettingsError, match="SNEWS_DRILL_SMTP_PORT"):
        load_settings({**environ, "SNEWS_DRILL_SMTP_PORT": "many"})


def test_a_folder_in_the_files_place_is_a_clear_error(environ: dict[str, str]) -> None:
    """Not a traceback."""
    config_file(environ).mkdir(parents=True)
    with pytest.raises(SettingsError):
        load_settings(environ)


def test_a_home_that_does_not_exist_is_a_clear_error() -> None:
    """`~somebody` must be somebody."""
    with pytest.raises(SettingsError, match="SNEWS_DRILL_HOME"):
        load_settings({"SNEWS_DRILL_HOME": "~nobody-of-that-name/drills"})


@pytest.mark.parametrize("place", ["file", "environment"])
def test_secrets_are_in_no_repr_and_no_error(environ: dict[str, str], place: str) -> None:
    """Not in repr, str or the dump for logs, and not in the error that another setting causes."""
    if place == "file":
        write(environ, "smtp_password = 'hunter2'\nadmin_token = 'hunter2'\n")
        settings = load_settings(environ)
    else:
        said = {"SNEWS_DRILL_SMTP_PASSWORD": "hunter2", "SNEWS_DRILL_ADMIN_TOKEN": "hunter2"}
        settings = load_settings({**environ, **said})
    assert value_of(settings, "admin_token") == "hunter2"
    for shown in (repr(settings), str(settings), settings.model_dump_json(), f"{settings.model_dump()}"):
        assert "hunter2" not in shown


def test_a_secret_of_the_wrong_type_is_not_repeated(environ: dict[str, str]) -> None:
    """Neither in the error nor in its cause, which tracebacks show too."""
    write(environ, "admin_token = ['hunter2']\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(environ)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in str(caught.value.__cause__)


def test_reading_writes_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    """No folder is made by looking."""
    load_settings(environ)
    assert list(tmp_path.iterdir()) == []


@posix_only
def test_what_is_remembered_is_private_and_nowhere_else(environ: dict[str, str], tmp_path: Path) -> None:
    """One file of mode 0600 in a folder of mode 0700, whatever the umask, and nothing beside it."""
    before = os.umask(0)
    try:
        remember(load_settings(environ), detector_name="LZ")
    finally:
        os.umask(before)
    path = config_file(environ)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert load_settings(environ).detector_name == "LZ"


def test_one_choice_leaves_the_others(environ: dict[str, str]) -> None:
    """None forgets a choice; what somebody wrote by hand stays."""
    write(environ, "smtp_host = 'mail.example.org'\n")
    settings = remember(load_settings(environ), detector_name="LZ")
    assert settings.detector_name == "LZ"
    settings = remember(settings, profile="test")
    assert load_settings(environ) == settings
    assert (settings.detector_name, settings.profile, settings.smtp_host) == (
        "LZ",
        "test",
        "mail.example.org",
    )
    settings = remember(settings, detector_name=None, profile=None)
    assert (settings.detector_name, settings.profile) == (None, "rehearsal")
    assert load_settings(environ) == settings
    assert config_file(environ).read_text() == 'smtp_host = "mail.example.org"\n'


def test_secrets_are_never_written(environ: dict[str, str]) -> None:
    """Only name and profile are remembered."""
    for name in set(DrillSettings.model_fields) - {"detector_name", "profile"}:
        with pytest.raises(SettingsError, match="Only"):
            remember(load_settings(environ), **{name: "x"})
    assert not config_file(environ).exists()


def test_a_garbage_file_is_not_overwritten(environ: dict[str, str]) -> None:
    """The user's own text is not thrown away because it has a slip."""
    settings = load_settings(environ)
    path = write(environ, "detector_name = LZ")
    with pytest.raises(SettingsError):
        remember(settings, detector_name="LVD")
    assert path.read_text() == "detector_name = LZ"


@pytest.mark.parametrize(
    "kind", ["a file in the folder's place", pytest.param("no permission", marks=not_root)]
)
def test_a_folder_that_cannot_be_written_is_a_clear_error(environ: dict[str, str], kind: str) -> None:
    """The path is named, and where to go instead."""
    settings = load_settings(environ)
    folder = config_file(environ).parent
    if kind == "no permission":
        folder.mkdir(parents=True, mode=0o500)
    else:
        folder.parent.mkdir(parents=True)
        folder.write_text("in the way")
    with pytest.raises(SettingsError, match=r"config\.toml") as caught:
        remember(settings, detector_name="LZ")
    assert isinstance(caught.value, DrillError)


def test_every_change_is_seen_at_once(environ: dict[str, str]) -> None:
    """However quickly one choice follows another, what is read is the last one."""
    settings = load_settings(environ)
    for number in range(300):
        name = ("LZAB", "DUNE", "HALO")[number % 3]
        remember(settings, detector_name=name)
        assert load_settings(environ).detector_name == name


def test_another_programs_change_is_seen(environ: dict[str, str]) -> None:
    """The file is read again when it has changed."""
    write(environ, "detector_name = 'LZ'")
    assert load_settings(environ).detector_name == "LZ"
    write(environ, "detector_name = 'DUNE'")
    assert load_settings(environ).detector_name == "DUNE"
    config_file(environ).unlink()
    assert load_settings(environ).detector_name is None


def test_the_processes_own_environment_is_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And a change of it is seen."""
    monkeypatch.setenv("SNEWS_DRILL_HOME", str(tmp_path / "a"))
    monkeypatch.setenv("SNEWS_DRILL_NAME", "LZ")
    assert load_settings().detector_name == "LZ"
    monkeypatch.setenv("SNEWS_DRILL_NAME", "LVD")
    monkeypatch.setenv("SNEWS_DRILL_HOME", str(tmp_path / "b"))
    assert load_settings().detector_name == "LVD"
    assert load_settings().config_dir == tmp_path / "b" / "config"


def test_runtime_files_never_lie_in_a_shared_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a session's runtime folder, as in containers, they lie among the user's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    folders = default_folders({})
    assert folders["runtime_dir"].is_relative_to(folders["state_dir"])
    assert default_folders({"XDG_RUNTIME_DIR": "/run/user/1"})["runtime_dir"] == Path(
        "/run/user/1/snews_drill"
    )


@posix_only
def test_private_folders_are_made_private(tmp_path: Path) -> None:
    """Made 0700; closed if it was open; refused when it is a link or a file."""
    folder = tmp_path / "a" / "b"
    assert stat.S_IMODE(make_private_dir(folder).stat().st_mode) == 0o700
    folder.chmod(0o755)
    assert stat.S_IMODE(make_private_dir(folder).stat().st_mode) == 0o700
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "file").write_text("")
    for wrong in ("link", "file"):
        with pytest.raises(SettingsError):
            make_private_dir(tmp_path / wrong)


@posix_only
def test_private_files_are_replaced_whole_and_read_only_when_private(tmp_path: Path) -> None:
    """0600, in one step, and a file that others can read is not believed."""
    path = tmp_path / "secret"
    assert read_private_file(path) is None
    write_private_file(path, b"one")
    write_private_file(path, b"two")
    assert read_private_file(path) == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["secret"]
    with pytest.raises(SettingsError, match="not a private file"):
        read_private_file(path, max_bytes=2)
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="0644"):
        read_private_file(path)
    with pytest.raises(OSError, match="No such file"):
        write_private_file(tmp_path / "nowhere" / "secret", b"")


def test_a_home_that_does_not_exist_is_told() -> None:
    """`~name` of nobody on this machine is no traceback."""
    assert expanded("~/x") == Path.home() / "x"
    with pytest.raises(SettingsError, match="does not have"):
        expanded("~nobody-of-that-name/x")
