"""Clones and origins as an MLflow client meets them: what it reads, how its changes land, and what an outage does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from flow_kit import MAIN, POLICY, REGISTRY, Desk, copy_template, git, make_solo, make_template
from http_kit import serving
from mlflow.exceptions import MlflowException

from gitreg.adapters.git.repository import GitRepository
from gitreg.flows.land import LandingMode
from gitreg.surfaces.cli.main import run
from gitreg.surfaces.mlflow.artifacts import GitregArtifactRepository
from gitreg.surfaces.mlflow.session import Freshness, Session, Sessions
from gitreg.surfaces.mlflow.store import GitregStore
from gitreg.surfaces.mlflow.uri import parse_registry_uri

MODEL = "credit-risk"
NOTES = "models/credit-risk/versions/1/notes.yaml"


@pytest.fixture(scope="session")
def hooked_template(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Path:
    """A bare origin whose hook lets notes land directly, and a clone for each of three people."""
    public = {path.stem: path.read_text().strip() for path in keys.glob("*.pub")}
    folder = tmp_path_factory.mktemp("hooked")
    return make_template(folder, public, POLICY, REGISTRY.replace("requests", "hook"))


@pytest.fixture(scope="session")
def solo_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_solo(tmp_path_factory.mktemp("solo"))


@pytest.fixture
def desk(
    hooked_template: Path, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    """That registry, with Dan's key at hand."""
    made = Desk(copy_template(hooked_template, tmp_path / "team"), keys)
    monkeypatch.setenv("GITREG_SSH_KEY", os.fspath(keys / "dan"))
    yield made
    made.close()


@pytest.fixture
def solo(solo_template: Path, keys: Path, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(copy_template(solo_template, tmp_path / "alone"), keys)
    yield made
    made.close()


def opened(place: Path, **settings: object) -> GitregStore:
    """The store of a clone, which is fetched before each call unless something else is said."""
    query = "&".join(f"{key}={value}" for key, value in ({"refresh": 0} | settings).items())
    return GitregStore(f"gitreg://{quote(os.fspath(place))}?{query}")


def tag(store: GitregStore, value: str) -> None:
    from mlflow.entities.model_registry import ModelVersionTag

    store.set_model_version_tag(MODEL, "1", ModelVersionTag("state", value))


def state(store: GitregStore) -> str | None:
    """The tag that ``tag`` sets, as the store reads it."""
    found: str | None = store.get_model_version(MODEL, "1").tags.get("state")
    return found


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "gitreg.mlflow"]


# A bare origin and a clone of it


def test_direct_lands_at_the_origin_through_its_hook(desk: Desk) -> None:
    installed = ["-R", os.fspath(desk.origin), "hook", "install", "--remote", os.fspath(desk.artifacts)]
    assert run(installed) == 0
    store = opened(desk.root / "dan", changes="direct")
    tag(store, "good")
    assert state(store) == "good"
    assert "good" in (desk.show(NOTES) or "")
    assert "good" in (desk.root / "dan" / NOTES).read_text(), "a clean checkout moves along"
    with (
        desk.unchanged("origin.git", "dan"),
        pytest.raises(MlflowException, match="'alias' as direct") as error,
    ):
        store.set_registered_model_alias(MODEL, "shadow", "2")
    assert error.value.error_code == "PERMISSION_DENIED"


def test_request_opens_one_for_whatever_it_is(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    before = desk.refs()[MAIN]
    store = opened(desk.root / "dan", changes="request")
    tag(store, "good")
    store.set_registered_model_alias(MODEL, "shadow", "2")
    assert state(store) is None
    assert "shadow" not in store.get_registered_model(MODEL).aliases
    assert {ref for ref in desk.refs() if "requests" in ref} == {f"refs/gitreg/requests/{n}" for n in (1, 2)}
    assert desk.refs()[MAIN] == before
    assert [line.split(" asks")[0][-1] for line in warnings(caplog)] == ["1", "2"]


def test_else_each_change_lands_as_policy_lets_it(desk: Desk) -> None:
    store = opened(desk.root / "dan")
    tag(store, "good")
    store.set_registered_model_alias(MODEL, "shadow", "2")
    assert state(store) == "good"
    assert "refs/gitreg/requests/1" in desk.refs()


def test_bare_repository_itself(desk: Desk) -> None:
    for who in (("user.name", "Dan"), ("user.email", "dan@example.com")):
        git(desk.origin, "config", *who)
    store = opened(desk.origin, changes="direct")
    tag(store, "good")
    assert state(store) == "good"
    assert "good" in (desk.show(NOTES) or "")


# Checkouts that a person works in


def test_dirty_clone_is_read_and_left_alone(desk: Desk) -> None:
    mine = desk.root / "dan" / "policy.yaml"
    mine.write_text(mine.read_text() + "# mine\n")
    head = git(desk.root / "dan", "rev-parse", "HEAD")
    store = opened(desk.root / "dan", changes="direct")
    tag(store, "good")
    assert state(store) == "good"
    assert "good" in (desk.show(NOTES) or "")
    assert mine.read_text().endswith("# mine\n")
    assert git(desk.root / "dan", "rev-parse", "HEAD") == head


def test_dirty_local_registry_is_read_and_not_written_to(solo: Desk) -> None:
    mine = solo.root / "solo" / "policy.yaml"
    mine.write_text(mine.read_text() + "# mine\n")
    store = opened(solo.root / "solo")
    assert state(store) is None
    with (
        solo.unchanged("solo"),
        pytest.raises(MlflowException, match=r"uncommitted changes in .* stash") as error,
    ):
        tag(store, "good")
    assert error.value.error_code == "PERMISSION_DENIED"
    tag(opened(solo.root / "solo", changes="request"), "good")
    assert "refs/gitreg/requests/1" in solo.refs("solo")


def test_diverged_clone_reads_the_origin_and_pushes_nothing_of_its_own(desk: Desk) -> None:
    clone = desk.root / "dan"
    (clone / "policy.yaml").write_text("stages: none of these\n")
    git(clone, "commit", "-q", "-a", "-m", "mine, and nobody's business")
    mine = git(clone, "rev-parse", "main")
    desk.commit({"README.md": "somebody else's\n"}, "bo")
    store = opened(clone, changes="direct")
    tag(store, "good")
    assert state(store) == "good"
    assert git(clone, "rev-parse", "main") == mine
    assert "mine, and" not in git(desk.origin, "log", "--all", "--format=%s")


# What is new


def test_another_process_is_seen_at_once_where_the_registry_is_local(solo: Desk) -> None:
    store = opened(solo.root / "solo", refresh=1000)
    assert state(store) is None
    for value in ("one", "two"):
        tag(opened(solo.root / "solo"), value)
        assert state(store) == value


def test_clone_sees_what_is_new_after_its_seconds(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(desk.root / "dan", refresh=1000)
    assert state(store) is None
    tag(opened(desk.root / "bo"), "good")
    assert state(store) is None
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 1001)
    assert state(store) == "good"


def test_what_a_clone_itself_wrote_is_seen_at_once_by_all_threads(desk: Desk) -> None:
    store = opened(desk.root / "dan", refresh=1000)
    assert in_thread(lambda: state(store)) is None
    tag(store, "good")
    assert in_thread(lambda: state(store)) == "good"


def in_thread(call: Callable[[], object]) -> object:
    """What a call returns in a thread of its own."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


def test_threads_share_one_fetch(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    fetches: list[int] = []
    sessions = Sessions(parse_registry_uri(f"gitreg://{desk.root / 'dan'}?refresh=1000"))
    with sessions.lent() as first:
        real = type(first.opened.repository).fetch
        monkeypatch.setattr(
            type(first.opened.repository), "fetch", lambda self: (fetches.append(1), real(self))
        )

        def names() -> list[str]:
            with sessions.lent() as mine:
                assert mine is not first
                return mine.catalog.names()

        assert [in_thread(names) for _ in range(4)] == [[MODEL]] * 4
    assert fetches == [1]


def test_one_thread_fetches_while_the_others_read_on() -> None:
    """With ``refresh=0`` they wait instead, as each is to see what is newest."""
    freshness, started, go = Freshness(), threading.Event(), threading.Event()
    fetches: list[str] = []

    def slow() -> None:
        started.set()
        assert go.wait(5)
        fetches.append("slow")

    freshness.keep(lambda: fetches.append("first"), 1000)
    fetching = threading.Thread(target=freshness.keep, args=(slow, 0))
    fetching.start()
    assert started.wait(5)
    freshness.keep(lambda: fetches.append("never"), 1e-9)
    assert fetches == ["first"]
    waiting = threading.Thread(target=freshness.keep, args=(lambda: fetches.append("last"), 0))
    waiting.start()
    go.set()
    fetching.join()
    waiting.join()
    assert fetches == ["first", "slow", "last"], "that fetch had begun before the call did"


# An outage


def test_outage(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Reads go on with one warning, writes fail with nothing half done, and afterwards all is as before."""
    store = opened(desk.root / "dan", changes="direct")
    tag(store, "before")
    away = desk.origin.rename(desk.root / "away.git")
    for _ in range(3):
        assert state(store) == "before"
    assert in_thread(lambda: state(store)) == "before"
    (told,) = warnings(caplog)
    assert "could not be reached" in told
    assert "reading what was fetched before" in told
    with (
        desk.unchanged("away.git", "dan"),
        pytest.raises(MlflowException, match="could not be reached") as error,
    ):
        tag(store, "during")
    assert error.value.get_http_status_code() < 500
    away.rename(desk.origin)
    tag(opened(desk.root / "bo"), "after")
    assert state(store) == "after"
    assert warnings(caplog)[1:] == ["the registry's remote answers again"]
    tag(store, "written")
    assert "written" in (desk.show(NOTES) or "")
    desk.origin.rename(away)
    assert state(store) == "written"
    assert len(warnings(caplog)) == 3, "the next outage is told again"


# Through a web server


@pytest.fixture
def served(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URI of the origin on a web server, for whom git has the password of."""
    config = tmp_path / "home" / "gitconfig"
    with serving(desk.root, {"dan": "d4n"}) as url:
        host = url.removeprefix("http://")
        (tmp_path / "home" / "logins").write_text(f"http://dan:d4n@{host}\n")
        config.write_text(
            f"[credential]\nhelper = store --file={tmp_path / 'home' / 'logins'}\n"
            "[user]\nname = Dan\nemail = dan@example.com\n"
        )
        yield f"gitreg+{url}/origin.git"


def test_remote_registry_through_the_cached_clone(desk: Desk, served: str) -> None:
    store = GitregStore(f"{served}?refresh=0&changes=direct")
    tag(store, "good")
    assert state(store) == "good"
    assert "good" in (desk.show(NOTES) or "")
    tag(opened(desk.root / "bo"), "better")
    assert state(store) == "better"
    assert GitregStore(served).get_registered_model(MODEL).name == MODEL


def test_downloads_open_a_remote_registry_once(
    desk: Desk, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetches: list[int] = []
    real = GitRepository.fetch
    monkeypatch.setattr(GitRepository, "fetch", lambda self: (fetches.append(1), real(self)))

    def listed(version: str) -> list[str]:
        uri = parse_registry_uri(f"{served}?remote={desk.artifacts}").at(MODEL, version)
        found = GitregArtifactRepository(str(uri))
        return [each.path for each in found.list_artifacts()]

    assert [listed("1") for _ in range(3)] == [["model.onnx"]] * 3
    assert len(fetches) == 1
    with pytest.raises(MlflowException, match="version 9 of 'credit-risk' does not exist"):
        listed("9")
    assert len(fetches) == 2, "it may be there by now"


def test_remote_registry_in_an_outage(desk: Desk, served: str, caplog: pytest.LogCaptureFixture) -> None:
    GitregStore(served)
    desk.origin.rename(desk.root / "away.git")
    store = GitregStore(f"{served}?refresh=0")  # a process that begins now reads on as well
    for _ in range(2):
        assert state(store) is None
    assert in_thread(lambda: state(store)) is None
    assert len(warnings(caplog)) == 1
    with pytest.raises(MlflowException) as error:
        tag(store, "during")
    assert error.value.get_http_status_code() < 500
    assert "d4n" not in f"{error.value}{caplog.text}"


# Places that are no registry, or odd ones


def test_no_registry(tmp_path: Path, desk: Desk) -> None:
    git(tmp_path, "init", "-q", "plain")
    git(tmp_path / "plain", "-c", "user.name=x", "-c", "user.email=x", "commit", "-q", "--allow-empty", "-mx")
    for place, says in (("plain", "no registry here"), ("nowhere", "there is no folder")):
        with pytest.raises(MlflowException, match=says) as error:
            opened(tmp_path / place)
        assert error.value.error_code == "INVALID_PARAMETER_VALUE"


def test_several_registries_in_one_repository(solo: Desk) -> None:
    checkout = solo.root / "solo"
    for name in ("one", "two"):
        (checkout / name).mkdir()
        git(checkout, "read-tree", f"--prefix={name}", "main")
    git(checkout, "rm", "-q", "-r", "--cached", "models", "gitreg.yaml", "policy.yaml", ".dvc")
    git(checkout, "commit", "-q", "-m", "two registries")
    git(checkout, "reset", "-q", "--hard")
    with pytest.raises(MlflowException, match="several registries: one, two"):
        opened(checkout)
    tag(opened(checkout / "two"), "good")
    assert state(opened(checkout / "two")) == "good"
    assert state(opened(checkout / "one")) is None


def test_path_with_spaces_and_other_letters(solo: Desk) -> None:
    place = (solo.root / "solo").rename(solo.root / "my models & Größen?")
    store = opened(place)
    tag(store, "good")
    assert state(store) == "good"


def test_session_lands_as_its_uri_says(solo: Desk) -> None:
    modes = {"": LandingMode.WHERE_ALLOWED, "?changes=direct": LandingMode.DIRECT}
    modes["?changes=request"] = LandingMode.REQUEST
    for query, mode in modes.items():
        session = Session(parse_registry_uri(f"gitreg://{solo.root / 'solo'}{query}"))
        assert session.mode is mode
        session.opened.repository.close()
