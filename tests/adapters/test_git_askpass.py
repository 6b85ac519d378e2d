"""Git over HTTP with a token: a real server that wants one, and nothing that gives it away."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from git_kit import MAIN, git, hook, hub_and_clone, land, pin
from http_kit import GitHandler, listening, serving

from gitreg.adapters.git import access, askpass
from gitreg.adapters.git.clone import open_url
from gitreg.adapters.git.repository import GitRepository
from gitreg.core.ports import Credential
from gitreg.errors import Refused, Undecided

USER, SECRET = "x-access-token", "ghp_s3cretS3cret"
BASIC = base64.b64encode(f"{USER}:{SECRET}".encode()).decode()


class Wallet:
    """Credentials for one server, and who asked."""

    def __init__(self, host: str, secret: str = SECRET) -> None:
        self.host, self.secret = host, secret
        self.asked: list[tuple[str, str]] = []

    def __call__(self, scheme: str, host: str) -> Credential | None:
        self.asked.append((scheme, host))
        return Credential("http", self.host, USER, self.secret) if host == self.host else None


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    pin(monkeypatch, folder)
    monkeypatch.delenv("SSH_ASKPASS", raising=False)
    return folder


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The server of ``hub.git``, which ``work`` has as its origin."""
    _, work = hub_and_clone(tmp_path, {"a": "x"})
    with serving(tmp_path, {USER: SECRET, "dan": "own"}) as base:
        git(work, "remote", "set-url", "origin", f"{base}/hub.git")
        yield base


@pytest.fixture
def wallet(url: str) -> Wallet:
    return Wallet(url.removeprefix("http://"))


@pytest.fixture
def work(url: str, wallet: Wallet, tmp_path: Path) -> Iterator[GitRepository]:
    with GitRepository.open(tmp_path / "work") as opened:
        opened.credentials = wallet
        yield opened


def script(file: Path, text: str) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text("#!/bin/sh\n" + text)
    file.chmod(0o755)
    return file


def head(tmp_path: Path) -> str:
    return git(tmp_path / "hub.git", "rev-parse", MAIN)


def test_push_and_fetch(work: GitRepository, wallet: Wallet, tmp_path: Path) -> None:
    work.fetch()
    moved = land(work, {"a": "y"})
    assert head(tmp_path) == moved.new
    git(tmp_path / "hub.git", "update-ref", "refs/heads/other", MAIN)
    work.fetch()
    assert work.hub_ref("refs/heads/other") == moved.new
    assert set(wallet.asked) == {("http", wallet.host)}


def test_what_had_to_be_shown_once_is_shown_at_once(
    work: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look-up of a credential that git needed saves the later commands of a process the attempt without."""
    fetches: list[object] = []
    run = subprocess.run

    def counted(args: list[str], **how: object) -> object:
        fetches.extend(arg for arg in args if arg == "fetch")
        return run(args, **how)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", counted)
    work.fetch()
    assert len(fetches) == 2
    work.fetch()
    assert len(fetches) == 3


def test_a_registry_by_its_url(url: str, wallet: Wallet, tmp_path: Path) -> None:
    for _ in range(2):
        opened = open_url(f"{url}/hub.git", tmp_path / "cache", wallet)
        with opened.repository as clone:
            assert (clone.hub_ref(MAIN), opened.warning) == (head(tmp_path), None)
    wallet.secret = "expired"
    later = open_url(f"{url}/hub.git", tmp_path / "cache", wallet)
    assert later.warning is not None
    assert "does not accept" in later.warning


def test_no_look_up_where_nobody_asks(work: GitRepository, wallet: Wallet, tmp_path: Path) -> None:
    git(tmp_path / "work", "remote", "set-url", "origin", os.fspath(tmp_path / "hub.git"))
    work.fetch()
    land(work, {"a": "y"})
    assert wallet.asked == []


def test_nothing_is_imported_before_a_server_asks() -> None:
    code = "import sys, gitreg.wiring, gitreg.adapters.git.clone; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    late = {"access", "askpass", "hosted"}
    assert not {f"gitreg.adapters.git.{name}" for name in late} & set(done.stdout.split())
    assert not {"gitreg.wiring.forge", "gitreg.adapters.forge.tokens"} & set(done.stdout.split())


def test_the_secret_is_nowhere_to_be_seen(
    work: GitRepository, url: str, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in an argument, nor in a trace, nor in a file, nor with a helper that keeps what git tells it."""
    real, seen = shutil.which("git"), tmp_path / "seen"
    seen.mkdir()
    script(
        tmp_path / "bin" / "git",
        f'echo "$@" >> {seen}/arguments\n'
        f"export GIT_TRACE={seen}/trace GIT_TRACE_CURL={seen}/curl GIT_TRACE2_EVENT={seen}/events "
        f"GIT_TRACE_SETUP={seen}/setup\n"
        f'exec {real} "$@"\n',
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    git(home, "config", "--global", "credential.helper", "store")
    git(home, "config", "--global", f"credential.{url}.helper", "store")
    work.fetch()
    land(work, {"a": "y"})
    traced = "".join(file.read_text(errors="replace") for file in seen.iterdir())
    assert "askpass" in traced
    assert "Authorization: Basic <redacted>" in traced
    kept = [file for folder in (home, tmp_path / "work", tmp_path / "hub.git") for file in folder.rglob("*")]
    texts = [traced, *(file.read_bytes().decode("latin-1") for file in kept if file.is_file())]
    assert not any(secret in text for text in texts for secret in (SECRET, BASIC))
    assert not (home / ".git-credentials").exists()


def test_nothing_is_left_behind(work: GitRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", os.fspath(tmp_path / "tmp"))
    work.fetch()
    assert not list((tmp_path / "tmp").iterdir())


def test_a_helper_of_ones_own_goes_first(
    work: GitRepository, wallet: Wallet, tmp_path: Path, home: Path
) -> None:
    helper = script(
        tmp_path / "bin" / "helper", '[ "$1" = get ] && printf "username=dan\\npassword=own\\n"\n'
    )
    git(home, "config", "--global", "credential.helper", os.fspath(helper))
    moved = land(work, {"a": "y"})
    assert (head(tmp_path), wallet.asked) == (moved.new, [])


def test_a_helper_that_has_nothing_for_the_server(work: GitRepository, tmp_path: Path, home: Path) -> None:
    helper = script(tmp_path / "bin" / "helper", f'echo "$1" >> {tmp_path}/told\ncat >> {tmp_path}/told\n')
    git(home, "config", "--global", "credential.helper", os.fspath(helper))
    moved = land(work, {"a": "y"})
    assert head(tmp_path) == moved.new
    told = (tmp_path / "told").read_text()
    assert "get\n" in told
    assert SECRET not in told


@pytest.mark.parametrize("how", ["variable", "configuration"])
def test_an_askpass_of_ones_own_goes_first(
    work: GitRepository, wallet: Wallet, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    own = script(tmp_path / "bin" / "own", 'case "$1" in User*) echo dan;; *) echo own;; esac\n')
    if how == "variable":
        monkeypatch.setenv("GIT_ASKPASS", os.fspath(own))
    else:
        git(home, "config", "--global", "core.askPass", os.fspath(own))
    moved = land(work, {"a": "y"})
    assert (head(tmp_path), wallet.asked) == (moved.new, [])


def test_a_token_that_is_wrong(work: GitRepository, wallet: Wallet) -> None:
    wallet.secret = "ghp_expired"
    for operate in (work.fetch, lambda: land(work, {"a": "y"})):
        with pytest.raises(Undecided, match="does not accept the user and password or token") as caught:
            operate()
        assert "ghp_expired" not in f"{caught.value} {caught.value.hint}"
        assert "renew it" in str(caught.value.hint)


@pytest.mark.parametrize("known", [True, False])
def test_no_token(work: GitRepository, wallet: Wallet, known: bool) -> None:
    wallet.host = "elsewhere"
    work.credentials = wallet if known else None
    with pytest.raises(Undecided, match=r"nothing here tells http://127\.0\.0\.1:\d+ who you are") as caught:
        work.fetch()
    assert "GITHUB_TOKEN" in str(caught.value.hint)


class Elsewhere(GitHandler):
    """Sends everybody to another server."""

    target = ""

    def answer(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.target + self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Curious(GitHandler):
    """Wants to know a password, and notes what it is told."""

    def answer(self) -> None:
        self.server.told.append(self.basic())  # type: ignore[attr-defined]
        self.ask_for_password()


@pytest.mark.parametrize("asked_for_the_other", [False, True])
def test_a_redirect_gets_nothing(
    work: GitRepository, tmp_path: Path, wallet: Wallet, asked_for_the_other: bool
) -> None:
    told: list[object] = []

    class Noting(Curious):
        def setup(self) -> None:
            self.server.told = told  # type: ignore[attr-defined]
            super().setup()

    with listening(Noting) as thief:
        handler = type("To", (Elsewhere,), {"target": thief, "root": tmp_path})
        with listening(handler) as front:
            git(tmp_path / "work", "remote", "set-url", "origin", f"{front}/hub.git")
            good = Credential("http", front.removeprefix("http://"), USER, SECRET)
            # Even if gitreg itself were led to offer it to the wrong one, the askpass program is not.
            work.credentials = lambda scheme, host: good if asked_for_the_other or host == good.host else None
            with pytest.raises(Undecided, match="who you are"):
                work.fetch()
    assert told
    assert set(told) == {None}


def test_the_remote_does_not_repeat_the_secret(work: GitRepository, tmp_path: Path) -> None:
    hook(tmp_path / "hub.git", "pre-receive", f"echo 'you sent {SECRET}' >&2\nexit 1\n")
    with pytest.raises(Refused, match=r"you sent \[token\]"):
        land(work, {"a": "y"})


GH006 = """\
remote: error: GH006: Protected branch update failed for refs/heads/main.
remote: error: Required status check "gitreg" is expected.
"""


def test_a_protected_branch(work: GitRepository, tmp_path: Path) -> None:
    lines = [line.removeprefix("remote: ") for line in GH006.splitlines()]
    hook(tmp_path / "hub.git", "pre-receive", "".join(f"echo '{line}' >&2\n" for line in lines) + "exit 1\n")
    with pytest.raises(Refused) as caught:
        land(work, {"a": "y"})
    assert caught.value.message.endswith(
        'protects refs/heads/main: Required status check "gitreg" is expected.'
    )
    assert "change request" in str(caught.value.hint)


ANSWERS = {
    askpass.SCHEME: "https",
    askpass.HOST: "git.example.com:8443",
    askpass.USER: "x",
    askpass.SECRET: "s",
}


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("Username for 'https://git.example.com:8443': ", "x"),
        ("Username for 'https://Git.Example.com:8443': ", "x"),
        ("Password for 'https://x@git.example.com:8443': ", "s"),
        ("Password for 'https://dan@acme@git.example.com:8443': ", "s"),
        ("Password for 'https://git.example.com:8443': ", "s"),
        ("Password for 'https://x@git.example.com:8443/acme/models.git': ", "s"),
        ("Username for 'https://git.example.com:8443/acme/models.git': ", "x"),
        ("Username for 'http://git.example.com:8443': ", None),
        ("Username for 'https://git.example.com': ", None),
        ("Username for 'https://git.example.com:84430': ", None),
        ("Username for 'https://evil.example': ", None),
        ("Username for 'https://git.example.com:8443.evil.example': ", None),
        ("Password for 'https://git.example.com:8443@evil.example': ", None),
        ("Password for 'https://git.example.com:8443/@evil.example': ", None),
        ("Password for 'https://x@git.example.com:8443/@evil.example': ", None),
        ("Username for 'https://evil.example/@git.example.com:8443': ", None),
        ("Password for 'https://a@evil.example/@git.example.com:8443': ", None),
        ("Password for 'https://x@git.example.com:8443': \n", None),
        ("Password for 'cert:///home/dan/key.pem': ", None),
        ("dan@git.example.com's password: ", None),
        ("Enter passphrase for key '/home/dan/.ssh/id_ed25519': ", None),
        ("", None),
    ],
)
def test_who_gets_an_answer(question: str, told: str | None) -> None:
    assert askpass.answer(question, ANSWERS) == told


def test_no_answer_without_a_server() -> None:
    assert askpass.answer("Username for 'https://': ", {**ANSWERS, askpass.HOST: ""}) is None
    assert askpass.answer("Username for 'https://git.example.com:8443': ", {}) is None


def test_the_program_fails_where_it_has_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert askpass.main(["Username for 'https://git.example.com:8443': "], ANSWERS) == 0
    assert askpass.main(["Username for 'https://evil.example': "], ANSWERS) == 1
    assert askpass.main([], ANSWERS) == 1
    assert capsys.readouterr().out == "x\n"


USUAL = ("Username for 'https://git.example.com': ", "Password for 'https://x@git.example.com': ")


def asked(folder: Path, question: str, credential: Credential, text: str = "") -> str | None:
    """What git would be told by the script that it runs; None where the script fails."""
    with access._askpass(credential) as variables:
        program = script(folder / "asked", (text or access._script(credential)).removeprefix("#!/bin/sh\n"))
        done = subprocess.run(
            [program, question], env=os.environ | variables, capture_output=True, text=True, check=False
        )
    assert done.stderr == ""
    return None if done.returncode else done.stdout


@pytest.mark.parametrize(
    "question", [*USUAL, *(each.upper() for each in USUAL), "Password for 'https://x': "]
)
def test_the_script_answers_only_what_the_program_would(tmp_path: Path, question: str) -> None:
    credential = Credential("https", "git.example.com", "x", "s\\n%s$HOME")
    variables = {askpass.SCHEME: "https", askpass.HOST: credential.host, askpass.USER: "x"}
    told = askpass.answer(question, {**variables, askpass.SECRET: credential.secret})
    assert asked(tmp_path, question, credential) == (told and f"{told}\n")


def test_the_usual_questions_start_no_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    for question, told in zip(USUAL, ("x", "s"), strict=True):
        assert asked(tmp_path, question, Credential("https", "git.example.com", "x", "s")) == f"{told}\n"
    for user, secret in (("x'*", "s"), ("x", "")):
        assert asked(tmp_path, USUAL[0], Credential("https", "git.example.com", user, secret)) is None


def test_a_shell_that_needs_a_program_to_print_shows_no_secret(tmp_path: Path) -> None:
    """Then Python answers; what a shell would start here is found by its ``PATH``, in which there is nothing."""
    credential = Credential("https", "git.example.com", "x", "s")
    text = access._script(credential).replace("printf", "echo-of-a-program")
    script(tmp_path / "bin" / "echo-of-a-program", f'echo "$@" > {tmp_path}/shown\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
        assert [asked(tmp_path, question, credential, text) for question in USUAL] == ["x\n", "s\n"]
    assert not (tmp_path / "shown").exists()


def test_a_credential_does_not_show_its_secret() -> None:
    assert SECRET not in repr(Credential("https", "github.com", USER, SECRET))
