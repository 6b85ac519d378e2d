"""Which remote is opened, and what of whose configuration counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from dvc_kit import CONFIG, Bars, open_local, stored, web_remote, write_tree

from gitreg.adapters.dvc.config import Remote, choose_remote, with_credentials
from gitreg.adapters.dvc.remote import open_store
from gitreg.core.ports import DvcPointer
from gitreg.errors import ConfigError, Undecided

S3 = """[core]
    remote = Cloud
['remote "cloud"']
    url = s3://models/store
    endpointurl = https://s3.example.com
    profile = team
    ask_password = true
['remote "backup"']
    url = /mnt/backup
"""


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose DVC is configured in ``<tmp>/dvc-global`` and ``<tmp>/dvc-system`` only."""
    for level in ("global", "system"):
        folder = tmp_path / f"dvc-{level}"
        folder.mkdir()
        monkeypatch.setenv(f"DVC_{level.upper()}_CONFIG_DIR", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def test_the_default_remote_is_the_configured_one(tmp_path: Path) -> None:
    remote = choose_remote(S3, tmp_path, None)
    assert (remote.name, remote.url) == ("cloud", "s3://models/store")
    assert remote.settings == {"endpointurl": "https://s3.example.com", "profile": "team"}


def test_a_relative_url_stands_in_the_registrys_dvc_folder(tmp_path: Path) -> None:
    assert choose_remote(CONFIG, tmp_path / "reg", None).url == str(tmp_path / "reg" / ".remote")


def test_a_relative_url_without_a_checkout_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a checkout") as caught:
        choose_remote(CONFIG, None, None)
    assert "--remote URL" in (caught.value.hint or "")
    assert choose_remote(S3, None, None).url == "s3://models/store"
    assert choose_remote(S3.replace("/mnt/backup", "/mnt/backup/"), None, "backup").url == "/mnt/backup"
    home = choose_remote(CONFIG.replace("../.remote", "~/remote"), None, None)
    assert home.url == str(Path("~/remote").expanduser())


def test_the_user_may_name_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert choose_remote(S3, tmp_path, "Backup").url == "/mnt/backup"
    assert choose_remote(S3, tmp_path, "s3://other/place") == Remote("", "s3://other/place", {})
    assert choose_remote("", None, "../elsewhere").url == str(tmp_path.parent / "elsewhere")
    assert choose_remote("", None, "~/elsewhere").url == str(tmp_path / "home" / "elsewhere")


@pytest.mark.parametrize(
    ("text", "name", "match"),
    [
        ("", None, "no DVC remote is configured"),
        ("[core]\n    analytics = false\n", None, "no DVC remote is configured"),
        ("['remote \"a\"']\n    url = /x\n", None, "no DVC remote is configured"),
        ("[core]\n    remote = a, b\n", None, "no DVC remote is configured"),
        ("[core]\n    remote = gone\n", None, "has no remote 'gone'"),
        (S3, "gone", "has no remote 'gone'"),
        ("[core]\n    remote = a\n['remote \"a\"']\n", None, "has no URL"),
        ("[core]\n    remote = a\n['remote \"a\"']\nurl = x, y\n", None, "has no URL"),
        ("[core]\n    remote = a\n['remote \"a\"']\nurl = remote://b/c\n", None, "has no URL"),
        ("[core]\n    remote = a\n['remote \"a\"']\nurl = http://[x\n", None, "is not a URL"),
        ("[core\n", None, "cannot be read"),
        ("[core]\n    remote = %(x)s\n", None, "cannot be read"),
        ("remote = a\n", None, "no section"),
    ],
)
def test_what_names_no_remote_is_refused(tmp_path: Path, text: str, name: str | None, match: str) -> None:
    with pytest.raises(ConfigError, match=match) as caught:
        open_store(text, tmp_path, name=name)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "settings",
    [
        "url = foo://bar/x",
        "url = /x\njobs = many",
        "url = /x\nno_such_setting = 1",
        "url = http://127.0.0.1/x\nworktree = true",
        "url = http://127.0.0.1/x\nversion_aware = true",
    ],
)
def test_what_dvc_does_not_take_is_refused(tmp_path: Path, settings: str) -> None:
    with pytest.raises(ConfigError, match="remote a"):
        open_store(f"[core]\nremote = a\n['remote \"a\"']\n{settings}\n", tmp_path)


def test_a_remote_whose_plugin_is_missing_is_refused_with_the_command(tmp_path: Path) -> None:
    pytest.importorskip("dvc")
    with pytest.raises(ConfigError, match="hdfs") as caught:
        open_store("[core]\nremote = a\n['remote \"a\"']\nurl = hdfs://host/x\n", tmp_path)
    assert "pip install 'dvc[hdfs]'" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "setting",
    [
        "bearer_token_command = touch pwned",
        "credentialpath = ../evil",
        "configpath = ../evil",
        "keyfile = evil",
        "cert_path = evil",
        "key_path = evil",
        "gdrive_service_account_json_file_path = evil",
    ],
)
def test_a_registry_names_no_program_and_no_file(tmp_path: Path, setting: str) -> None:
    text = f"[core]\nremote = a\n['remote \"a\"']\nurl = webdav://host/x\n{setting}\n"
    with pytest.raises(ConfigError, match=setting.split()[0]) as caught:
        open_store(text, tmp_path)
    assert "config.local" in (caught.value.hint or "")


def local_config(folder: Path, text: str) -> Path:
    (folder / ".dvc").mkdir(exist_ok=True)
    path = folder / ".dvc" / "config.local"
    path.write_text(text)
    return path


def test_this_machine_says_who_asks_and_nothing_else(machine: Path) -> None:
    path = local_config(
        machine,
        """[core]
    remote = evil
['remote "cloud"']
    access_key_id = me
    secret_access_key = s3cret
    credentialpath = ../creds
    keyfile = ~/.ssh/id
    profile = mine
    endpointurl = https://evil.example.com
    ask_password = true
    bearer_token_command = touch pwned
    worktree = true
    ssl_verify = false
['remote "evil"']
    url = /evil
""",
    )
    remote = with_credentials(choose_remote(S3, machine, None), path)
    assert (remote.name, remote.url) == ("cloud", "s3://models/store")
    assert remote.settings == {
        "endpointurl": "https://s3.example.com",
        "profile": "mine",
        "access_key_id": "me",
        "secret_access_key": "s3cret",
        "credentialpath": str(machine / "creds"),
        "keyfile": str(machine / "home" / ".ssh" / "id"),
    }


def test_the_registrys_local_file_counts_most(machine: Path) -> None:
    (machine / "dvc-system" / "config").write_text(
        "['remote \"cloud\"']\nuser = s\npassword = s\ntoken = s\n"
    )
    (machine / "dvc-global" / "config").write_text("['remote \"cloud\"']\nuser = g\npassword = g\n")
    path = local_config(machine, "['remote \"cloud\"']\nuser = l\n")
    settings = with_credentials(choose_remote(S3, machine, None), path).settings
    assert [settings[key] for key in ("user", "password", "token")] == ["l", "g", "s"]
    settings = with_credentials(choose_remote(S3, machine, None), None).settings
    assert [settings[key] for key in ("user", "password", "token")] == ["g", "g", "s"]


def test_credentials_go_to_the_url_they_were_set_for(machine: Path) -> None:
    """Else a registry need only call its remote like one that the reader has a password for."""
    (machine / "dvc-global" / "config").write_text(
        "['remote \"cloud\"']\nurl = s3://private\npassword = p\n"
        "['remote \"other name\"']\nurl = s3://models/store/\nuser = u\n"
        "['remote \"dir\"']\nurl = ../mnt\ntoken = t\n"
    )
    assert "password" not in with_credentials(choose_remote(S3, machine, None), None).settings
    assert with_credentials(choose_remote(S3, machine, None), None).settings["user"] == "u"
    assert with_credentials(choose_remote("", None, "s3://private"), None).settings == {"password": "p"}
    assert with_credentials(choose_remote("", None, "s3://elsewhere"), None).settings == {}
    assert with_credentials(choose_remote("", None, str(machine / "mnt")), None).settings == {"token": "t"}


def test_a_stranger_s_remote_has_no_credentials_for_its_name_alone(machine: Path) -> None:
    """A repository that is only read calls its remote what it likes, such as ``storage``."""
    (machine / "dvc-global" / "config").write_text("['remote \"cloud\"']\npassword = p\n")
    remote = choose_remote(S3, machine, None)
    assert "password" not in with_credentials(remote, None, foreign=True).settings
    path = local_config(machine, "['remote \"cloud\"']\nuser = l\n")
    assert with_credentials(remote, path, foreign=True).settings["user"] == "l"
    (machine / "dvc-system" / "config").write_text("['remote \"x\"']\nurl = s3://models/store\ntoken = t\n")
    settings = with_credentials(remote, path, foreign=True).settings
    assert (settings["token"], "password" in settings) == ("t", False)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://s3.example.com",
        "http://storage.googleapis.com",
        "https://storage.googleapis.com@evil.example.com",
        "https://evilgoogleapis.com",
        "https://[::1",
    ],
)
def test_a_registry_sends_google_s_token_to_nobody_else(endpoint: str) -> None:
    text = S3.replace("s3://models", "gs://models").replace("https://s3.example.com", endpoint)
    with pytest.raises(ConfigError, match="would be sent this machine's token"):
        choose_remote(text, None, None)


def test_a_bucket_of_google_s_may_have_a_host_of_its_own() -> None:
    text = S3.replace("s3://models", "gs://models")
    text = text.replace("https://s3.example.com", "https://storage-mine.p.googleapis.com")
    assert choose_remote(text, None, None).settings["endpointurl"]


def test_a_broken_file_of_this_machine_is_named(machine: Path) -> None:
    (machine / "dvc-global" / "config").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="dvc-global"):
        open_store(CONFIG, machine)
    (machine / "dvc-global" / "config").write_text("[core\n")
    with pytest.raises(ConfigError, match="dvc-global"):
        open_store(CONFIG, machine)


def test_no_secret_is_ever_shown(machine: Path) -> None:
    with web_remote() as server:
        url = server.url.replace("http://", "http://bob:pa55word@")
    path = local_config(machine, "['remote \"web\"']\nauth = basic\nuser = bob\npassword = hunter22\n")
    text = f"[core]\nremote = web\n['remote \"web\"']\nurl = {url}/hunter22\nauth = basic\n"
    pointer = DvcPointer("m", "0" * 32, 1, 1)
    with pytest.raises(Undecided) as caught:
        open_store(text, machine, local_config=path).presence([pointer])
    said = f"{caught.value.message} {caught.value.hint}"
    assert "pa55word" not in said
    assert "hunter22" not in said


def test_a_registry_without_checkout_is_read_by_url(tmp_path: Path) -> None:
    payload = stored(open_local(tmp_path / "remote"), write_tree(tmp_path / "model"))
    text = f"[core]\nremote = here\n['remote \"here\"']\nurl = {tmp_path / 'remote'}\n"
    assert open_store(text, None).files(payload.pointer, Bars()) == payload.files
