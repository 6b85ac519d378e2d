"""Approvals that were given for something else, by somebody else, at another time, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from flow_kit import git, promote, proposed

from attacks.attack_kit import BRANCH, Ground, attack
from attacks.attack_words import says
from gitreg.adapters.forge.ssh import SshSigner, fingerprint
from gitreg.adapters.forge.statements import canonical
from gitreg.adapters.git.hook import HookSettings, install
from gitreg.core.plan.evidence import NewEvidence, plan_evidence, plan_retract
from gitreg.core.plan.transition import plan_rollback
from gitreg.core.ports import ChangeRequest
from gitreg.core.verify.approvals import approval_statement, evidence_digests
from gitreg.flows.change import approve, close, merge, open_branch, verify_request

FIRST = ("verify", "1", "--format", "json")
PRODUCTION = "models/credit-risk/stages/production.yaml"
POLICY = "policy.yaml"
APPROVALS = "refs/gitreg/approvals"


# -- what attackers do


def signer(ground: Ground, key: str) -> SshSigner:
    """The key of a person."""
    return SshSigner(ground.desk.keys / key)


def guarded(repository: Path) -> None:
    """Installs the hook, as whoever runs the server does."""
    install(repository, HookSettings("main"))


def asked(ground: Ground, person: str = "bo", version: int = 2) -> ChangeRequest:
    """A person asks for a version to go live, which takes Alice's approval."""
    return proposed(ground.desk(person), promote(version, "production")).request


def branch_asked(ground: Ground, person: str, key: str | None = "", branch: str = BRANCH) -> ChangeRequest:
    """A person opens a request for a branch of the origin, signed with a key (None: unsigned)."""
    ws = ground.desk(person, key=key)
    ws.repository.fetch()
    ground.git("fetch", "-q", "origin", folder=person)
    ground.git("branch", "-q", "-f", branch, f"origin/{branch}", folder=person)
    return open_branch(ws, branch).request


def saying(ground: Ground, request: ChangeRequest, **other: object) -> dict[str, object]:
    """What an approval of a request as it is now says; ``other`` in place of what belongs there, None leaves it out."""
    judged = verify_request(ground.desk("alice"), request.id).judged
    digests = evidence_digests(judged.head, judged.delta, judged.policy)
    now = ground.desk.now
    body = approval_statement(judged.evidence, digests, now, now + timedelta(days=1)) | other
    return {key: value for key, value in body.items() if value is not None}


def filed(ground: Ground, change: str, data: bytes, key: str, nonce: str = "0" * 32) -> str:
    """Pushes a blob, with plain git, to where an approval of a change by a key would be; the ref."""
    ref = f"{APPROVALS}/{change}/{fingerprint(signer(ground, key).public_key)}/{nonce}"
    ground.git("push", "-q", "origin", f"{ground.blob(data)}:{ref}")
    return ref


def stated(ground: Ground, request: ChangeRequest, key: str, **other: object) -> str:
    """Signs an approval by hand, and files it by the key's name; the ref."""
    body = saying(ground, request, **other)
    data = canonical({"statement": body, "signature": signer(ground, key).sign(canonical(body))})
    return filed(ground, request.change_id or "", data, key)


def refiled(ground: Ground, ref: str, change: str) -> None:
    """Files the statement of one change under another."""
    blob = git(ground.desk.origin, "rev-parse", ref)
    ground.git("fetch", "-q", "origin", ref)
    ground.git("push", "-q", "origin", f"{blob}:{ref.replace(ref.split('/')[3], change)}")


def recorded(ground: Ground, request: ChangeRequest, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edits the record of a request, which anybody who may push can."""
    ref = f"refs/gitreg/requests/{request.id}"
    record = json.loads(git(ground.desk.origin, "cat-file", "blob", ref))
    edit(record)
    ground.git("push", "-q", "--force", "origin", f"{ground.blob(canonical(record))}:{ref}")


def record_of(ground: Ground, id: str) -> dict[str, Any]:
    """What a request's ref holds."""
    found: dict[str, Any] = json.loads(
        git(ground.desk.origin, "cat-file", "blob", f"refs/gitreg/requests/{id}")
    )
    return found


NONE_COUNTS = "entering production needs 1 approval of risk-owners, and has 0"


# -- of another change


@attack(expect="GR401", then=says(NONE_COUNTS))
def approved_then_pushed_to(ground: Ground) -> list[str]:
    """What was approved is replaced on its branch by something else."""
    request = asked(ground)
    approve(ground.desk("alice"), "1")
    other = ground.read(PRODUCTION, request.branch).replace("serial: 2", "serial: 2 # as you said")
    ground.edit({PRODUCTION: other}, branch=request.branch)
    return [*FIRST]


@attack(expect="GR401", then=says(NONE_COUNTS, "it approves another change"))
def approved_then_opened_again(ground: Ground) -> list[str]:
    """The branch gets another version, is opened again under its number, and the approval is filed under its new id."""
    ground.plan(promote(2, "production"))
    branch_asked(ground, "dan")
    ref = approve(ground.desk("alice"), "1")
    ground.push(ground.tip("main"))
    ground.plan(promote(3, "staging"))
    ground.edit({PRODUCTION: ground.read(PRODUCTION).replace("version: 1", "version: 2")})
    request = branch_asked(ground, "dan")
    assert request.id == "1"
    refiled(ground, ref, request.change_id or "")
    return [*FIRST]


@attack(expect="GR401", then=says("the policy has changed since"))
def approved_under_an_older_policy(ground: Ground) -> list[str]:
    """The approval was given when the policy asked for less."""
    asked(ground)
    approve(ground.desk("alice"), "1")
    ground.land({POLICY: ground.read(POLICY) + "# stricter days\n"})
    return [*FIRST]


def _evidence(ground: Ground) -> None:
    new = NewEvidence(
        "holdout",
        "holdout",
        "sha256:" + "d" * 64,
        {"roc_auc": 0.1},
        ground.desk("dan").identity,
        ground.desk.now,
    )
    ground.plan(lambda snapshot: plan_evidence(snapshot, "credit-risk", 2, new), branch="main")


@attack(expect="GR401", then=says("the evidence has changed since"))
def approved_before_bad_evidence(ground: Ground) -> list[str]:
    """Whoever approved did not know of an evaluation that came later."""
    asked(ground)
    approve(ground.desk("alice"), "1")
    _evidence(ground)
    return [*FIRST]


@attack(expect="GR401", then=says("the evidence has changed since"))
def approved_before_a_retraction(ground: Ground) -> list[str]:
    """Whoever approved trusted an evaluation that was taken back."""
    _evidence(ground)
    asked(ground)
    approve(ground.desk("alice"), "1")
    ws = ground.desk("dan")
    ground.plan(
        lambda snapshot: plan_retract(
            snapshot, "credit-risk", 2, "holdout", "leaked", ws.identity, ground.desk.now
        ),
        branch="main",
    )
    return [*FIRST]


def _gone_live_and_back(ground: Ground) -> tuple[str, str]:
    """Version 2 was approved, went live, and was rolled back; the approval's ref, and the head of its branch."""
    request = asked(ground)
    ref = approve(ground.desk("alice"), "1")
    merge(ground.desk("bo"), "1")
    proposed(ground.desk("dan"), lambda snapshot: plan_rollback(snapshot, "credit-risk", "production"))
    approve(ground.desk("bo"), "2")
    merge(ground.desk("dan"), "2")
    assert request.head
    _pruned(ground)
    return ref, request.head


def _pruned(ground: Ground) -> None:
    """The judge's clone knows that merged branches are gone."""
    ground.git("fetch", "-q", "--prune", "origin", folder="bo")


@attack(expect=("GR401", "GR203"), then=says("it approves another change"))
def approval_replayed_after_a_rollback(ground: Ground) -> list[str]:
    """What was approved once and then taken back is asked for again, byte for byte, with the same approval."""
    ref, head = _gone_live_and_back(ground)
    stages = ("production", "staging", "archived")
    paths = [f"models/credit-risk/stages/{stage}.yaml" for stage in stages]
    ground.git("fetch", "-q", "origin")
    ground.edit({path: ground.git("show", f"{head}:{path}") + "\n" for path in paths})
    request = branch_asked(ground, "dan")
    refiled(ground, ref, request.change_id or "")
    return ["verify", request.id, "--format", "json"]


@attack(expect="GR201")
def approved_branch_replayed_after_a_rollback(ground: Ground) -> None:
    """The branch that was approved and merged once is merged once more."""
    _, head = _gone_live_and_back(ground)
    ground.git("fetch", "-q", "origin")
    ground.push(ground.commit(f"{head}^{{tree}}", f"{head}^"))


@attack(expect="GR201")
def approved_promotion_from_an_old_base(ground: Ground) -> list[str]:
    """An approval that nobody used is kept until another version is live, to turn production back to its own."""
    asked(ground)
    approve(ground.desk("alice"), "1")
    ground.plan(promote(3, "staging"), promote(3, "production"), branch="main")
    return [*FIRST]


@attack(expect=("GR401", "GR203"), then=says("it approves another change", "serial is 2"))
def approved_promotion_moved_to_the_new_base(ground: Ground) -> list[str]:
    """The same, with the approved files laid over the registry as it is now, so that nothing conflicts."""
    request = asked(ground)
    ref = approve(ground.desk("alice"), "1")
    approved = ground.read(PRODUCTION, request.branch)
    ground.plan(promote(3, "staging"), promote(3, "production"), branch="main")
    ground.edit({PRODUCTION: approved})
    again = branch_asked(ground, "dan")
    refiled(ground, ref, again.change_id or "")
    return ["verify", again.id, "--format", "json"]


@attack(expect=("GR401", "GR203", "GR205"))
def old_base_merged_with_ours(ground: Ground) -> None:
    """A merge that keeps its own side makes the newest base an ancestor, and takes back what landed since."""
    old = ground.tip("main")
    ground.land({POLICY: ground.read(POLICY) + "# stricter days\n"})
    ground.plan(promote(3, "staging"), branch="main")
    ground.push(ground.commit(f"{old}^{{tree}}", old, ground.tip("main")))


# -- by somebody who does not count


@attack(expect="GR401", then=says(NONE_COUNTS, "it is the author's own"))
def own_approval(ground: Ground) -> list[str]:
    """Alice, who may approve, asks for a change and approves it herself."""
    stated(ground, asked(ground, "alice"), "alice")
    return [*FIRST]


def _with_second_key(ground: Ground) -> str:
    """The policy, with a second key of Alice's."""
    text = ground.read(POLICY)
    begin = text.index("keys: [", text.index("id: alice")) + len("keys: [")
    key = (ground.desk.keys / "mallory.pub").read_text().strip()
    return f'{text[:begin]}"{key}", {text[begin:]}'


@attack(expect="GR401", then=says("it is the author's own"))
def own_approval_with_another_key(ground: Ground) -> list[str]:
    """Alice asks for a change with one of her keys and approves it with the other."""
    ground.land({POLICY: _with_second_key(ground)})
    stated(ground, asked(ground, "alice"), "mallory")
    return [*FIRST]


@attack(expect="GR401", then=says("needs 2 approvals of risk-owners, and has 1 (alice)"))
def two_keys_of_one_person(ground: Ground) -> list[str]:
    """Two approvals are needed, and Alice gives both."""
    policy = _with_second_key(ground).replace("count: 1, expire", "count: 2, expire")
    ground.land({POLICY: policy.replace("risk-owners: [alice]", "risk-owners: [alice, dan]")})
    ground.desk.later(minutes=1)
    request = asked(ground)
    stated(ground, request, "alice")
    stated(ground, request, "mallory")
    return [*FIRST]


@attack(expect="GR401", then=says("its key is nobody's in the base's policy"))
def unknown_key(ground: Ground) -> list[str]:
    """Somebody whom the policy does not know approves."""
    stated(ground, asked(ground), "mallory")
    return [*FIRST]


@attack(expect="GR401", then=says("its key is nobody's in the base's policy"))
def key_brought_by_the_change(ground: Ground) -> list[str]:
    """The change adds the key that approves it."""
    ground.edit({POLICY: _with_second_key(ground)})
    stated(ground, branch_asked(ground, "dan"), "mallory")
    return [*FIRST]


@attack(expect="GR401", then=says(NONE_COUNTS))
def approved_by_somebody_who_left_the_group(ground: Ground) -> list[str]:
    """Alice handed the risk over to Dan, and approves nevertheless."""
    asked(ground)
    ground.land({POLICY: ground.read(POLICY).replace("risk-owners: [alice]", "risk-owners: [dan]")})
    approve(ground.desk("alice"), "1")
    return [*FIRST]


@attack(expect="GR401", then=says("the policy has changed since"))
def approved_while_still_in_the_group(ground: Ground) -> list[str]:
    """Alice approved on her last day; the policy then put Dan in her place."""
    asked(ground)
    approve(ground.desk("alice"), "1")
    ground.land({POLICY: ground.read(POLICY).replace("risk-owners: [alice]", "risk-owners: [dan]")})
    return [*FIRST]


@attack(expect="GR401", then=says("its key is nobody's in the base's policy"))
def approved_by_somebody_who_left(ground: Ground) -> list[str]:
    """Alice's key was lost, and the policy does not list it any more."""
    asked(ground)
    approve(ground.desk("alice"), "1")
    key = (ground.desk.keys / "alice.pub").read_text().strip()
    ground.land({POLICY: ground.read(POLICY).replace(f'["{key}"]', "[]")})
    return [*FIRST]


# -- at another time


@attack(expect="GR401", then=says("it expired at"))
def expired(ground: Ground) -> list[str]:
    """An approval is kept in the drawer until nobody remembers it."""
    asked(ground)
    approve(ground.desk("alice"), "1", valid_for=timedelta(hours=1))
    ground.desk.later(hours=1)
    return [*FIRST]


@attack(expect="GR401", then=says(NONE_COUNTS))
def older_than_policy_lets_it_be(ground: Ground) -> list[str]:
    """An approval says of itself that it holds for a century; the policy says 14 days."""
    asked(ground)
    approve(ground.desk("alice"), "1", valid_for=timedelta(days=36_500))
    ground.desk.later(days=14)
    return [*FIRST]


@attack(expect="GR401", then=says("it is dated in the future"))
def dated_in_the_future(ground: Ground) -> list[str]:
    """An approval is dated so that it never grows old."""
    stated(ground, asked(ground), "alice", issued="2099-01-01T00:00:00Z", expires="2099-02-01T00:00:00Z")
    return [*FIRST]


@attack(expect="GR401", then=says("it is not dated"))
def not_dated(ground: Ground) -> list[str]:
    """An approval says nothing of its end."""
    stated(ground, asked(ground), "alice", expires=None)
    return [*FIRST]


@attack(expect="GR401", then=says("it was revoked at"))
def revoked(ground: Ground) -> list[str]:
    """Alice took her approval back."""
    asked(ground)
    approve(ground.desk("alice"), "1")
    ground.desk.later(minutes=1)
    approve(ground.desk("alice"), "1", revoke=True)
    return [*FIRST]


@attack(expect="GR401", then=says("it was revoked at"))
def revoked_and_filed_once_more(ground: Ground) -> list[str]:
    """The approval that Alice took back is filed under another name after her revocation."""
    request = asked(ground)
    ref = approve(ground.desk("alice"), "1")
    ground.desk.later(minutes=1)
    approve(ground.desk("alice"), "1", revoke=True)
    ground.git("fetch", "-q", "origin", ref)
    filed(
        ground,
        request.change_id or "",
        ground.git("cat-file", "blob", "FETCH_HEAD").encode(),
        "alice",
        "f" * 32,
    )
    return [*FIRST]


@attack(expect="GR401", then=says("it was revoked"))
def revocation_removed(ground: Ground) -> list[str]:
    """The attacker removes Alice's revocation from the hub with plain git; a hook does not let go of it."""
    guarded(ground.desk.origin)
    asked(ground)
    approve(ground.desk("alice"), "1")
    ground.desk.later(minutes=1)
    ref = approve(ground.desk("alice"), "1", revoke=True)
    ground.git("push", "-q", "origin", f":{ref}", check=False)
    assert ref in ground.desk.refs()
    ground.git("fetch", "-q", "--prune", "origin", "+refs/gitreg/*:refs/gitreg/*", folder="bo")
    return [*FIRST]


# -- of other words, or for another purpose


@attack(expect="GR401", then=says("the signature was made for another purpose"))
def signed_for_another_purpose(ground: Ground) -> list[str]:
    """Alice signs files in another namespace every day, and somebody shows her the words of an approval."""
    request = asked(ground)
    body = saying(ground, request)
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", os.fspath(ground.desk.keys / "alice")]
    armored = subprocess.run(command, input=canonical(body), capture_output=True, check=True).stdout.decode()
    data = canonical({"statement": body, "signature": armored})
    filed(ground, request.change_id or "", data, "alice")
    return [*FIRST]


@attack(expect="GR401", then=says("it is about another registry"))
def signed_for_another_registry(ground: Ground) -> list[str]:
    """Alice approved the same files in another registry."""
    stated(ground, asked(ground), "alice", registry="00000000-0000-4000-8000-000000000000")
    return [*FIRST]


@attack(expect="GR401", then=says("it is about another branch"))
def signed_for_another_branch(ground: Ground) -> list[str]:
    """Alice approved the change for a branch that people play with."""
    stated(ground, asked(ground), "alice", target="refs/heads/playground")
    return [*FIRST]


@attack(expect="GR401", then=says("it is filed under another key than its signer's"))
def filed_under_another_s_key(ground: Ground) -> list[str]:
    """The attacker's own statement lies where Alice's would."""
    request = asked(ground)
    body = saying(ground, request)
    data = canonical({"statement": body, "signature": signer(ground, "dan").sign(canonical(body))})
    filed(ground, request.change_id or "", data, "alice")
    return [*FIRST]


def _resigned(ground: Ground, edit: Callable[[dict[str, object]], bytes]) -> None:
    """Alice's expired approval, its words edited and her signature kept."""
    request = asked(ground)
    old = saying(ground, request, issued="2026-10-01T00:00:00Z", expires="2026-10-02T00:00:00Z")
    signature = signer(ground, "alice").sign(canonical(old))
    data = edit({"statement": old, "signature": signature})
    filed(ground, request.change_id or "", data, "alice")


@attack(expect="GR401", then=says("the signature does not match the statement"))
def edited_after_signing(ground: Ground) -> list[str]:
    """The end of an old approval is moved."""
    _resigned(ground, lambda told: canonical(told).replace(b"2026-10-02", b"2027-10-02"))
    return [*FIRST]


@attack(expect="GR401", then=says("it repeats a key"))
def edited_by_a_repeated_key(ground: Ground) -> list[str]:
    """One reader sees what Alice signed, another what was written over it."""
    _resigned(
        ground,
        lambda told: canonical(told).replace(b'"issued"', b'"expires":"2027-01-01T00:00:00Z","issued"'),
    )
    return [*FIRST]


@attack(expect="GR401", then=says("it is not an approval"))
def opening_filed_as_an_approval(ground: Ground) -> list[str]:
    """Alice once asked for this change herself; her signature under that is filed as her approval."""
    change = asked(ground, "alice").change_id or ""
    told = record_of(ground, "1")
    close(ground.desk("alice"), "1")
    assert asked(ground).change_id == change
    data = canonical({"statement": told["statement"], "signature": told["signature"]})
    filed(ground, change, data, "alice")
    return ["verify", "2", "--format", "json"]


# -- of a change whose author is another than it seems


@attack(expect="GR401", outcome="undecided", then=says("who proposes this change is not known"))
def opened_by_nobody(ground: Ground) -> list[str]:
    """Alice asks without a signature, so that she is nobody's author and may approve."""
    ground.plan(promote(2, "production"))
    branch_asked(ground, "alice", key=None)
    approve(ground.desk("alice"), "1")
    return [*FIRST]


@attack(expect="GR401", outcome="undecided", then=says("who proposes this change is not known"))
def opened_with_an_unknown_key(ground: Ground) -> list[str]:
    """Alice signs the opening with a key that she made for it."""
    ground.plan(promote(2, "production"))
    branch_asked(ground, "alice", key="mallory")
    approve(ground.desk("alice"), "1")
    return [*FIRST]


@attack(expect="GR401", then=says("it is the commit author's own"))
def opened_with_another_s_opening(ground: Ground) -> list[str]:
    """Alice puts the signed opening of another change of Bo's into her own request."""
    proposed(ground.desk("bo"), promote(3, "staging"))
    theirs = record_of(ground, "1")
    mine = asked(ground, "alice")
    recorded(
        ground, mine, lambda told: told.update(statement=theirs["statement"], signature=theirs["signature"])
    )
    stated(ground, mine, "alice")
    return ["verify", "2", "--format", "json"]


@attack(expect="GR401", then=says("it is the commit author's own"))
def opened_with_another_s_signature(ground: Ground) -> list[str]:
    """Alice puts Bo's signature under her own words."""
    proposed(ground.desk("bo"), promote(3, "staging"))
    theirs = record_of(ground, "1")
    mine = asked(ground, "alice")
    recorded(ground, mine, lambda told: told.update(signature=theirs["signature"]))
    stated(ground, mine, "alice")
    return ["verify", "2", "--format", "json"]


@attack(expect="GR401", then=says("it is the commit author's own"))
def opened_with_another_s_approval(ground: Ground) -> list[str]:
    """Bo approved Alice's change; she puts his approval where the author's opening belongs, and approves too."""
    mine = asked(ground, "alice")
    ref = stated(ground, mine, "bo")
    told = json.loads(git(ground.desk.origin, "cat-file", "blob", ref))
    recorded(ground, mine, lambda record: record.update(told))
    stated(ground, mine, "alice")
    return [*FIRST]


@attack(expect="GR401", then=says("it is the commit author's own"))
def opened_with_a_withdrawn_opening(ground: Ground) -> list[str]:
    """Bo asked for a change and withdrew it; Alice opens it again in his name, and approves."""
    request = asked(ground)
    theirs = record_of(ground, "1")
    close(ground.desk("bo"), "1")
    mine = asked(ground, "alice")
    assert mine.change_id == request.change_id
    recorded(
        ground, mine, lambda told: told.update(statement=theirs["statement"], signature=theirs["signature"])
    )
    stated(ground, mine, "alice")
    return ["verify", "2", "--format", "json"]


# -- from a copy of the registry


def _approved_in_a_copy(ground: Ground, happens: Callable[[Ground], object]) -> list[str]:
    """In a copy of the hub, with all its history, its id and its branch, something happens; then Bo asks for version 2
    to go live, and Alice approves. The attacker asks for the same in the real one, and brings her approval along."""
    real, copy = ground.desk.origin, ground.root / "copy.git"
    shutil.copytree(real, copy)
    _swapped(ground, copy)
    happens(ground)
    asked(ground)
    ref = approve(ground.desk("alice"), "1")
    ground.git("fetch", "-q", "origin", ref)
    data = ground.git("cat-file", "blob", "FETCH_HEAD").encode()
    _swapped(ground, copy)
    shutil.rmtree(copy)
    ground.plan(promote(2, "production"))
    request = branch_asked(ground, "dan")
    filed(ground, request.change_id or "", data, "alice")
    return [*FIRST]


def _swapped(ground: Ground, copy: Path) -> None:
    """The copy is where the real one was, and everybody's clone follows."""
    real, aside = ground.desk.origin, ground.root / "aside.git"
    real.rename(aside)
    copy.rename(real)
    aside.rename(copy)
    for person in ("bo", "alice", "dan"):
        refs = "+refs/gitreg/*:refs/gitreg/*", "+refs/heads/*:refs/remotes/origin/*"
        ground.git("fetch", "-q", "--prune", "origin", *refs, folder=person)


@attack(expect="GR401", then=says("it approves another change"))
def approval_from_a_copy_where_another_version_is_live(ground: Ground) -> list[str]:
    """In a copy of the registry, where version 3 is live, Alice approved that version 2 takes its place."""
    moves = promote(3, "staging"), promote(3, "production")
    return _approved_in_a_copy(ground, lambda copy: copy.plan(*moves, branch="main"))


@attack(expect="GR401", then=says("the evidence has changed since"))
def approval_from_a_copy_with_other_evidence(ground: Ground) -> list[str]:
    """In a copy of the registry the version has an evaluation that it lacks here."""
    return _approved_in_a_copy(ground, _evidence)


@attack(expect="GR401", then=says("the policy has changed since"))
def approval_from_a_copy_with_another_policy(ground: Ground) -> list[str]:
    """In a copy of the registry, which people play with, the policy is another one."""
    return _approved_in_a_copy(ground, lambda copy: copy.land({POLICY: copy.read(POLICY) + "# for play\n"}))


@attack(expect="GR401", then=says("it was given at a copy of this repository"))
def approval_from_a_copy_that_is_the_same(ground: Ground) -> list[str]:
    """Alice approved the very same change in a copy of the registry that nobody takes for real; it has no name here."""
    guarded(ground.desk.origin)

    def cut_off(copied: Ground) -> None:
        git(
            copied.desk.origin, "config", "--unset", "gitreg.hub"
        )  # a clone has the refs, not the configuration
        guarded(copied.desk.origin)

    return _approved_in_a_copy(ground, cut_off)


@attack(expect="GR401", then=says("it is a bot's"))
def approved_by_a_bot(ground: Ground) -> list[str]:
    """The pipeline that trains models is a risk owner by mistake, and its key lies on every machine that trains."""
    key = " ".join((ground.desk.keys / "mallory.pub").read_text().split()[:2])
    policy = ground.read(POLICY).replace(
        "people:\n", f'people:\n  - {{id: ci, bot: true, keys: ["{key}"]}}\n'
    )
    ground.land({POLICY: policy.replace("risk-owners: [alice]", "risk-owners: [alice, ci]")})
    request = asked(ground)
    stated(ground, request, "mallory")
    return [*FIRST]


@attack(expect="GR401", then=says("more statements do not count"))
def thousands_of_statements(ground: Ground) -> list[str]:
    """To check a signature takes a process: with enough statements, of keys that anybody makes, verify never ends."""
    request = asked(ground)
    blob = ground.blob(b"{}")
    place = f"{APPROVALS}/{request.change_id}"
    orders = "".join(f"create {place}/{number:064x}/{'0' * 32} {blob}\n" for number in range(1000))
    git(ground.desk.origin, "hash-object", "-w", "--stdin", stdin=b"{}")
    git(ground.desk.origin, "update-ref", "--stdin", stdin=orders.encode())
    git(ground.desk.origin, "pack-refs", "--all")
    return [*FIRST]
