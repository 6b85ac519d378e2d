"""The embedded forge on real repositories: the shared contract, what it stores, and what hostile refs come to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from forge_contract import CHANGE, NOW, OTHER_CHANGE, TRUNK, Desk, ForgeContract, make_signer, seed

from gitreg.adapters.forge.local import record as records
from gitreg.adapters.forge.local.finished import Finished
from gitreg.adapters.forge.local.forge import REQUESTS, LocalForge
from gitreg.adapters.forge.signed import APPROVALS
from gitreg.adapters.forge.ssh import SshSigner, fingerprint
from gitreg.adapters.forge.statements import canonical, seal
from gitreg.adapters.git.repository import GitRepository
from gitreg.core.ports import READ_LIMIT, RefUpdate, Signature, Statement
from gitreg.errors import LostRace, Refused, Undecided, UsageError


def git(*arguments: str | Path) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def desk_at(path: Path) -> Desk:
    repository = GitRepository.open(path)
    return Desk(repository, LocalForge(repository, TRUNK))


@pytest.fixture(autouse=True)
def _nobody_s_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    path = tmp_path / "hub.git"
    git("init", "-q", "--bare", "-b", TRUNK, path)
    seed(GitRepository.open(path))
    return path


def clone(hub: Path, name: str) -> Desk:
    git("clone", "-q", hub, hub.parent / name)
    return desk_at(hub.parent / name)


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> SshSigner:
    return make_signer(tmp_path_factory.mktemp("signer") / "id")


@pytest.fixture(scope="session")
def mallory(tmp_path_factory: pytest.TempPathFactory) -> SshSigner:
    return make_signer(tmp_path_factory.mktemp("mallory") / "id")


class TestBareRepositoryAsItsOwnHub(ForgeContract):
    @pytest.fixture
    def desks(self, hub: Path) -> tuple[Desk, Desk]:
        return desk_at(hub), desk_at(hub)


class TestTwoClonesOfOneHub(ForgeContract):
    @pytest.fixture
    def desks(self, hub: Path) -> tuple[Desk, Desk]:
        return clone(hub, "one"), clone(hub, "two")


@pytest.fixture
def desk(hub: Path) -> Desk:
    return desk_at(hub)


def plant(desk: Desk, ref: str, data: bytes) -> None:
    desk.repository.update([RefUpdate(ref, None, desk.repository.write_blob(data))])
    desk.repository.fetch()


# --- numbers -----------------------------------------------------------------------------------------------------


def test_requests_are_numbered_from_one(desk: Desk) -> None:
    assert [desk.opened(f"gitreg/{name}").id for name in "abc"] == ["1", "2", "3"]


def test_a_number_taken_meanwhile_is_followed_by_the_next(hub: Path) -> None:
    one, two = clone(hub, "one"), clone(hub, "two")
    unaware = two.new("gitreg/b")
    assert one.opened("gitreg/a").id == "1"
    assert two.forge.open(unaware, None, None, NOW).id == "2"


def test_a_number_is_not_used_again(desk: Desk) -> None:
    desk.forge.close(desk.opened())
    assert desk.opened("gitreg/b").id == "2"


_OPENER = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1].split(":")
from forge_contract import NOW
from test_forge_local import desk_at
desk = desk_at(Path(sys.argv[2]))
news = [desk.new(f"gitreg/{sys.argv[3]}/{at}") for at in range(3)]
print("ready", flush=True)
sys.stdin.readline()
for new in news:
    print(desk.forge.open(new, None, None, NOW).id)
"""


def test_processes_that_open_at_once_get_distinct_numbers(hub: Path) -> None:
    here = Path(__file__).parent
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", _OPENER, f"{here}:{here.parent}", str(hub), str(name)],
            cwd=here.parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in range(3)
    ]
    for opener in openers:
        assert opener.stdout
        assert opener.stdout.readline() == "ready\n"
    for opener in openers:
        assert opener.stdin
        opener.stdin.write("go\n")
        opener.stdin.flush()
    ids = [line for opener in openers for line in opener.communicate(timeout=60)[0].split()]
    assert sorted(ids, key=int) == [str(number) for number in range(1, 10)]
    assert len(desk_at(hub).forge.requests()) == 9


# --- what is stored ----------------------------------------------------------------------------------------------


def test_a_request_is_one_readable_blob(hub: Path, desk: Desk) -> None:
    request = desk.opened()
    assert json.loads(git("-C", hub, "cat-file", "blob", f"{REQUESTS}1")) == {
        "number": 1,
        "title": request.title,
        "body": request.body,
        "branch": request.branch,
        "target": TRUNK,
        "state": "open",
        "change_id": CHANGE,
        "opened_at": "2026-11-20T10:00:00Z",
        "merged_as": None,
        "statement": {"action": "open", "change": CHANGE, "request": "1"},
        "signature": None,
    }


def test_who_opens_with_a_key_is_the_author(desk: Desk, signer: SshSigner) -> None:
    author = desk.opened(signer=signer).author
    assert author == desk.forge.request("1").author
    assert author
    assert author.body == {"action": "open", "change": CHANGE, "request": "1"}
    assert author.signature == Signature(signer.public_key, True)


def test_who_opens_without_a_key_is_unknown(desk: Desk, signer: SshSigner) -> None:
    first = desk.opened(signer=signer)
    assert desk.forge.open(desk.new(), None, first.head, NOW).author is None
    assert desk.forge.request("1").author is None


def test_an_author_s_words_cannot_be_changed(hub: Path, desk: Desk, signer: SshSigner) -> None:
    desk.opened(signer=signer)
    stored = json.loads(git("-C", hub, "cat-file", "blob", f"{REQUESTS}1"))
    stored["statement"]["change"] = OTHER_CHANGE
    old = desk.repository.hub_ref(f"{REQUESTS}1")
    desk.repository.update([RefUpdate(f"{REQUESTS}1", old, desk.repository.write_blob(canonical(stored)))])
    desk.repository.fetch()
    author = desk.forge.request("1").author
    assert author
    assert (author.signature.key, author.signature.valid) == (None, False)


def test_a_statement_s_ref_names_change_and_key(desk: Desk, signer: SshSigner) -> None:
    ref = desk.forge.state(CHANGE, {}, signer, NOW)
    assert ref.startswith(f"{APPROVALS}{CHANGE}/{fingerprint(signer.public_key)}/")
    assert desk.repository.hub_ref(ref)


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change_id", ["", "c" * 63, "C" * 64, "../" + "c" * 61, "c" * 64 + "\n"])
def test_what_cannot_be_a_change_id_is_refused(desk: Desk, signer: SshSigner, change_id: str) -> None:
    with pytest.raises(UsageError, match="change id"):
        desk.forge.open(desk.new(change_id=change_id), None, None, NOW)
    with pytest.raises(UsageError, match="change id"):
        desk.forge.state(change_id, {}, signer, NOW)
    with pytest.raises(UsageError, match="change id"):
        desk.forge.statements(change_id)


def test_the_trunk_cannot_ask_to_be_merged(desk: Desk) -> None:
    new = replace(desk.new(TRUNK), target="release")
    with pytest.raises(UsageError, match="'main' cannot ask"):
        desk.forge.open(new, None, desk.trunk(), NOW)
    with pytest.raises(UsageError, match="'a' cannot ask"):
        desk.forge.open(replace(desk.new("a"), target="a"), None, None, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"body": "x" * READ_LIMIT},
        {"branch": "x" * 201},
        {"branch": "a b"},
        {"target": "a\nb"},
        {"title": "\ud800"},
    ],
)
def test_what_could_not_be_read_again_is_not_filed(desk: Desk, change: dict[str, str]) -> None:
    new = replace(desk.new(), **change)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="cannot be"):
        desk.forge.open(new, None, None, NOW)
    assert desk.tip("gitreg/a") is None


def test_a_request_renewed_since_it_was_read_is_not_ended(hub: Path, desk: Desk) -> None:
    request = desk.opened()
    renewed = desk_at(hub).forge.open(desk.new(head=request.head), None, request.head, NOW)
    assert renewed.head == request.head
    changed = replace(request, title="What the judge saw")
    for end in (
        lambda: desk.forge.close(changed),
        lambda: desk.forge.merge(changed, "0" * 40, desk.trunk(), "merged"),
    ):
        with pytest.raises(LostRace, match="#1 has changed"):
            end()
    assert desk.forge.requests() == [renewed]


def test_a_request_closed_unseen_is_not_merged(hub: Path) -> None:
    one, two = clone(hub, "one"), clone(hub, "two")
    request, base = one.opened(), one.trunk()
    two.repository.fetch()
    two.forge.close(request)
    assert request.head
    with pytest.raises(LostRace):
        one.forge.merge(request, request.head, base, "merged")
    assert one.trunk() == base
    with pytest.raises(Refused, match="closed"):
        one.forge.merge(request, request.head, base, "merged")


# --- hostile refs ------------------------------------------------------------------------------------------------


def stored(**changes: object) -> bytes:
    record = {
        "number": 5,
        "title": "t",
        "body": "",
        "branch": "b",
        "target": TRUNK,
        "state": "open",
        "change_id": CHANGE,
        "opened_at": "2026-11-20T10:00:00Z",
        "merged_as": None,
        "statement": {},
        "signature": None,
    }
    return json.dumps(record | changes).encode()


HOSTILE = {
    "nothing": b"",
    "garbage": b"\xff\x00",
    "a list": b"[]",
    "deep": b'{"a":' * 100_000,
    "large": b" " * (READ_LIMIT + 1),
    "unknown key": stored(more=1),
    "missing key": b'{"number": 5}',
    "another number": stored(number=6),
    "a number in words": stored(number="5"),
    "a number that is true": stored(number=True),
    "no title": stored(title=None),
    "unknown state": stored(state="approved"),
    "a branch with a newline": stored(branch="b\ndelete refs/heads/main"),
    "a branch with a space": stored(branch="b c"),
    "the trunk": stored(branch=TRUNK, target="release"),
    "the target": stored(branch="x", target="x"),
    "a change id with a path": stored(change_id="../../heads/main"),
    "a bad time": stored(opened_at="2026-13-20T10:00:00Z"),
    "a time of nowhere": stored(opened_at="2026-11-20T10:00:00"),
    "a commit that is none": stored(merged_as="HEAD"),
    "a statement in words": stored(statement="yes"),
    "a signature in numbers": stored(signature=1),
    "a lone surrogate": stored(title="\ud800"),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_ref_that_holds_no_request_is_left_out_and_keeps_its_number(desk: Desk, data: bytes) -> None:
    plant(desk, f"{REQUESTS}5", data)
    assert desk.forge.requests(("open", "merged", "closed")) == []
    with pytest.raises(Undecided, match=f"{REQUESTS}5 does not hold a change request"):
        desk.forge.request("5")
    assert desk.opened().id == "6"
    assert [request.id for request in desk.forge.requests()] == ["6"]


def test_the_record_that_those_are_made_of_is_a_good_one(desk: Desk) -> None:
    plant(desk, f"{REQUESTS}5", stored())
    assert desk.forge.request("5").title == "t"
    assert desk.forge.request("5").head is None


def test_a_request_s_ref_that_names_a_commit_is_left_out(desk: Desk) -> None:
    desk.repository.update([RefUpdate(f"{REQUESTS}5", None, desk.trunk())])
    desk.repository.fetch()
    assert desk.forge.requests() == []
    with pytest.raises(Undecided, match=f"{REQUESTS}5"):
        desk.forge.request("5")
    assert desk.opened().id == "6"


@pytest.mark.parametrize("name", ["x", "05", "0", "-1", "9" * 40])
def test_a_ref_that_is_no_number_takes_none(desk: Desk, name: str) -> None:
    plant(desk, f"{REQUESTS}{name}", stored())
    assert desk.opened().id == "1"
    assert len(desk.forge.requests()) == 1


def test_a_ref_below_a_number_takes_it(desk: Desk) -> None:
    plant(desk, f"{REQUESTS}1/x", stored(number=1))
    assert desk.opened().id == "2"
    assert [request.id for request in desk.forge.requests()] == ["2"]


@pytest.fixture
def approval(signer: SshSigner) -> dict[str, object]:
    return json.loads(seal({"action": "approve", "change": CHANGE}, signer))


def said(desk: Desk, key: SshSigner, data: bytes, change_id: str = CHANGE) -> Signature:
    """What comes of a blob filed under ``key``."""
    plant(desk, f"{APPROVALS}{change_id}/{fingerprint(key.public_key)}/0", data)
    [found] = desk.forge.statements(change_id)
    return found.signature


def test_a_statement_under_another_s_key_does_not_count(
    desk: Desk, signer: SshSigner, mallory: SshSigner
) -> None:
    checked = said(desk, signer, seal({"action": "approve"}, mallory))
    assert (checked.key, checked.valid) == (None, False)
    assert "under another key" in str(checked.problem)


def test_a_signature_moved_to_other_words_does_not_count(
    desk: Desk, signer: SshSigner, approval: dict[str, object]
) -> None:
    moved = canonical(approval | {"statement": {"action": "approve", "change": OTHER_CHANGE}})
    assert not said(desk, signer, moved, OTHER_CHANGE).valid


def test_a_statement_refiled_under_another_change_still_names_its_own(
    desk: Desk, signer: SshSigner, approval: dict[str, object]
) -> None:
    assert said(desk, signer, canonical(approval), OTHER_CHANGE).valid
    assert desk.forge.statements(OTHER_CHANGE)[0].body["change"] == CHANGE


def test_a_signature_made_for_git_is_no_statement(tmp_path: Path, desk: Desk) -> None:
    key = make_signer(tmp_path / "id")
    body = {"action": "approve"}
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", str(tmp_path / "id")]
    armored = subprocess.run(command, input=canonical(body), capture_output=True, check=True).stdout.decode()
    checked = said(desk, key, canonical({"statement": body, "signature": armored}))
    assert (checked.key, checked.valid) == (None, False)
    assert "another purpose" in str(checked.problem)


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", stored(), b'{"statement":{},"signature":"x"}'])
def test_a_hostile_statement_does_not_hide_the_good_ones(desk: Desk, signer: SshSigner, data: bytes) -> None:
    desk.forge.state(CHANGE, {"action": "approve"}, signer, NOW)
    plant(desk, f"{APPROVALS}{CHANGE}/{'0' * 64}/0", data)
    plant(desk, f"{APPROVALS}{CHANGE}/odd", data)
    found = desk.forge.statements(CHANGE)
    assert [s.signature.valid for s in found].count(True) == 1
    assert len(found) == 3
    assert all(s.signature.problem for s in found if not s.signature.valid)


def test_a_statement_that_cannot_be_read_may_be_a_revocation(desk: Desk, signer: SshSigner) -> None:
    desk.forge.state(CHANGE, {"action": "approve"}, signer, NOW)
    ref = f"{APPROVALS}{CHANGE}/{fingerprint(signer.public_key)}/0"
    desk.repository.update([RefUpdate(ref, None, desk.trunk())])
    desk.repository.fetch()
    with pytest.raises(Undecided, match=f"{ref} cannot be read"):
        desk.forge.statements(CHANGE)


def test_no_record_is_written_that_cannot_be_read(desk: Desk) -> None:
    new = replace(desk.new("gitreg/ünï"), title='"quotes" \\ \u2028', body="\n" * 1000)
    request = desk.forge.open(new, None, None, NOW)
    assert asdict(desk.forge.request("1")) == asdict(request)


class Spy(GitRepository):
    """A repository that notes which blobs it is asked for."""

    asked: list[str]

    def blobs(self, oids: Sequence[str]) -> Iterator[bytes | None]:
        self.asked = [*oids]
        return super().blobs(oids)


def remembering(hub: Path, file: Path) -> tuple[Spy, LocalForge]:
    repository = Spy.open(hub)
    assert isinstance(repository, Spy)
    return repository, LocalForge(repository, TRUNK, Finished(file))


def test_requests_that_are_over_are_read_once(hub: Path, tmp_path: Path) -> None:
    desk, file = desk_at(hub), tmp_path / "made" / "finished"
    over = [desk.opened(f"gitreg/{name}") for name in "ab"]
    for request in over:
        desk.forge.close(request)
    still = desk.opened("gitreg/c")
    for expected in (3, 1, 1):
        repository, forge = remembering(hub, file)
        assert forge.requests() == [still]
        assert len(repository.asked) == expected
    repository, forge = remembering(hub, file)
    assert [request.id for request in forge.requests(("closed",))] == [request.id for request in over]
    desk.forge.close(still)
    assert forge.requests() == []
    repository, forge = remembering(hub, file)
    assert (forge.requests(), repository.asked) == ([], [])


@pytest.mark.parametrize("content", [b"\xff", b"no id\n", b""])
def test_what_is_remembered_wrongly_is_as_good_as_nothing(hub: Path, tmp_path: Path, content: bytes) -> None:
    desk, file = desk_at(hub), tmp_path / "finished"
    desk.forge.close(desk.opened("gitreg/a"))
    still = desk.opened("gitreg/b")
    file.write_bytes(content)
    assert remembering(hub, file)[1].requests() == [still]
    assert remembering(hub, file / "below" / "a file")[1].requests() == [still]


def test_what_no_ref_names_any_more_is_forgotten(hub: Path, tmp_path: Path) -> None:
    desk, file = desk_at(hub), tmp_path / "finished"
    first = desk.opened("gitreg/a")
    desk.forge.close(first)
    assert remembering(hub, file)[1].requests() == []
    gone = file.read_text()
    desk.repository.update([RefUpdate(f"{REQUESTS}1", gone.strip(), None)])
    desk.forge.close(desk.opened("gitreg/b"))
    assert remembering(hub, file)[1].requests() == []
    assert gone.strip() not in file.read_text()


def test_signatures_are_checked_of_the_requests_asked_for_alone(
    desk: Desk, signer: SshSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        desk.opened(f"gitreg/{name}", signer)
    checked: list[str] = []
    real = records.signed

    def noting(body: Mapping[str, object], armored: str, ref: str) -> Statement:
        checked.append(ref)
        return real(body, armored, ref)

    monkeypatch.setattr(records, "signed", noting)
    assert len(desk.forge.requests(branch="gitreg/b")) == 1
    assert checked == [f"{REQUESTS}2"]
