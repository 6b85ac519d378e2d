"""Judge one change: find what it does, gather what must be known, evaluate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TypeVar

from gitreg.core.delta import delta
from gitreg.core.findings import Finding
from gitreg.core.layout import POLICY_FILE
from gitreg.core.policy import Policy
from gitreg.core.ports import (
    FILE,
    SUBMODULE,
    Blob,
    ChangeRequest,
    Commit,
    Conversation,
    DvcPointer,
    Entry,
    Presence,
    Pusher,
    Statement,
    Tree,
)
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import (
    Candidate,
    MemoryTree,
    blob_oid,
    candidate,
    change_id,
    edited,
    entry_at,
    laid_over,
    raw_changes,
)
from gitreg.core.verify.approvals import Approval, approvals_given, evidence_digests
from gitreg.core.verify.engine import evaluate
from gitreg.core.verify.evidence import (
    Contents,
    Evidence,
    InnerChange,
    Landing,
    Required,
    SoakQuestion,
    Unknown,
    required_evidence,
)
from gitreg.core.verify.reviews import titles_of
from gitreg.core.verify.rule import Judged
from gitreg.errors import GitregError, Refused
from gitreg.flows.landers import who_landed
from gitreg.flows.workspace import Workspace

T = TypeVar("T")

#: Commits of one branch that are looked at one by one; a longer branch is undecided.
MOST_INNER_COMMITS = 1000
MOST_INNER_CHANGES = 20_000


@dataclass(frozen=True, slots=True)
class Way:
    """How a change gets to its base: the last commit of its branch, the commit that lands it, and who brings it.

    ``moment`` is when it is judged (UTC; None: now).
    """

    head: str | None = None
    landing: Landing | None = None
    pusher: Pusher | None = None
    moment: datetime | None = None


@dataclass(frozen=True)
class Verdict:
    """What became of a verification: between which commits, of which request (if any), with what findings.

    ``base`` is "" where the change begins a history.
    """

    base: str
    head: str
    judged: Judged
    findings: tuple[Finding, ...]
    candidate: Candidate
    request: ChangeRequest | None = None


def verify(ws: Workspace, base: str, head: str, request: ChangeRequest | None = None) -> Verdict:
    """Judges the change from ``base`` to ``head`` (commits) as if it were merged into ``base`` now.

    ``request`` is the one that asks for it, if that is known; else the newest open one about the same change.
    """
    found = candidate_of(ws, base, head)
    judged, request = judge(ws, base, found, request, Way(head))
    return Verdict(base, head, judged, tuple(evaluate(judged)), found, request)


def candidate_of(ws: Workspace, base: str, head: str) -> Candidate:
    """The base's tree with the branch's raw path changes since their merge base."""
    ancestor = ws.repository.merge_base(base, head)
    if ancestor is None:
        raise Refused(
            f"{head[:12]} has no history in common with {base[:12]}",
            "begin the branch at the registry's branch",
        )
    tree = ws.repository.tree(head)
    return candidate(ws.snapshot(base).tree, raw_changes(ws.repository.tree(ancestor), tree), tree)


def planned(ws: Workspace, base: Snapshot, edits: Mapping[str, bytes | None]) -> Candidate:
    """The candidate of edits that are not committed yet."""
    source = MemoryTree({path: data for path, data in edits.items() if data is not None})
    entries = {path: None if data is None else Entry(FILE, blob_oid(data)) for path, data in edits.items()}
    found = laid_over(base.tree, entries, source)
    if not found.conflicts:
        return found
    tree = edited(base.tree, edits)
    return Candidate(tree, tuple(raw_changes(base.tree, tree)))


def judge(
    ws: Workspace,
    base_commit: str,
    found: Candidate,
    request: ChangeRequest | None = None,
    way: Way = Way(),  # frozen
    *,
    artifacts: bool = True,
) -> tuple[Judged, ChangeRequest | None]:
    """Everything that the rules look at, with the evidence gathered; ``artifacts``: that on the remote, too."""
    return judge_on(ws, ws.snapshot(base_commit), base_commit, found, request, way, artifacts=artifacts)


def judge_on(
    ws: Workspace,
    base: Snapshot,
    base_commit: str,
    found: Candidate,
    request: ChangeRequest | None = None,
    way: Way = Way(),  # frozen
    *,
    artifacts: bool = True,
) -> tuple[Judged, ChangeRequest | None]:
    """The same on a base that is no commit yet, such as a working tree: ``base_commit`` then has its history."""
    head = base.with_tree(found.tree)
    bootstrap = base.blob(base.layout.path("gitreg.yaml")) is None
    if not bootstrap:
        base.registry()
    meaning = delta(base, head, (*found.changes, *found.conflicts))
    id = change_id((*found.changes, *found.conflicts))
    request = request or ws.forge.about(id, way.head)
    rules = head if bootstrap else base
    policy = rules.policy()
    required = required_evidence(base, head, meaning, policy)
    if not artifacts:
        required = replace(required, contents=(), presence=())
    commits = _commits(ws, base_commit, way.head) if way.head and base_commit else ()
    evidence = replace(
        _gather(ws, base_commit, rules, required, id, request, way.moment or ws.clock()),
        inner=_inner(ws, base, commits),
        written_by=() if isinstance(commits, Unknown) else tuple(commit.author for commit in commits),
        landing=way.landing,
        pusher=way.pusher,
    )
    if request is not None and (required.approvals or policy.roles):
        found_out, reviewed = _conversation(ws, base_commit, policy, request, id, way.head)
        evidence = replace(
            evidence,
            conversation=found_out,
            reviewed=reviewed,
            opened=request.opened_at,
            titles=titles_of(meaning, policy),
        )
    if required.rules and not bootstrap:
        given, _ = approvals_given(evidence, evidence_digests(head, meaning, policy), policy)
        evidence = replace(
            evidence,
            rules_changed=_last_changed(ws, base_commit, required.rules, given),
            evidence_changed=_last_changed(ws, base_commit, required.evidence, given),
        )
    return Judged(base, head, meaning, found.conflicts, evidence, ws.schemas, bootstrap), request


def _conversation(
    ws: Workspace, base: str, policy: Policy, request: ChangeRequest, id: str, head: str | None
) -> tuple[Conversation | Unknown | None, str]:
    """What a hosted forge knows of a request, and the change id of what its reviewers saw."""
    accounts = policy.accounts(ws.forge.provider, [person.id for person in policy.people])
    found = _or_unknown(lambda: ws.forge.conversation(request, accounts))
    if found is None or isinstance(found, Unknown) or found.head == head:
        return found, id
    seen = _or_unknown(lambda: change_of(ws, base, found.head))
    if isinstance(seen, Unknown):
        return replace(found, problems=(*found.problems, seen.why)), ""
    return found, seen


def change_of(ws: Workspace, base: str, head: str) -> str:
    """The id of the change that a commit asks for; "" if it is none of this branch."""
    try:
        found = candidate_of(ws, base, head)
    except Refused:  # it has another history
        return ""
    return change_id((*found.changes, *found.conflicts))


def _gather(
    ws: Workspace,
    base_commit: str,
    rules: Snapshot,
    required: Required,
    id: str,
    request: ChangeRequest | None,
    now: datetime,
) -> Evidence:
    registry = rules.registry()
    policy = entry_at(rules.tree, rules.layout.path(POLICY_FILE))
    soaks = {question: _soak(ws, base_commit, rules, question, now) for question in required.soaks}
    return Evidence(
        now=now,
        target=f"refs/heads/{registry.branch}",
        registry=registry.id,
        change_id=id,
        policy_blob=policy.oid if policy else "",
        request=request.id if request else "",
        hub=ws.forge.hub_id(),
        author=request.author if request else None,
        statements=_statements(ws, id, rules.policy()) if required.approvals else (),
        presence=_presence(ws, rules, required.presence),
        contents={pointer: _contents(ws, rules, pointer) for pointer in required.contents},
        soaks={question: answer for question, (answer, _) in soaks.items()},
        unchanged_since={question: since for question, (_, since) in soaks.items() if since is not None},
        local_times={zone: local_time(now, zone) for zone in required.zones},
        landers={path: _or_unknown(partial(who_landed, ws, base_commit, path)) for path in required.landers},
    )


def _commits(ws: Workspace, base_commit: str, head: str) -> Sequence[Commit] | Unknown:
    """The commits of a branch."""
    found = _or_unknown(lambda: ws.repository.inner_commits(base_commit, head, MOST_INNER_COMMITS + 1))
    too_many = not isinstance(found, Unknown) and len(found) > MOST_INNER_COMMITS
    return Unknown(f"there are more than {MOST_INNER_COMMITS}") if too_many else found


def _inner(
    ws: Workspace, base: Snapshot, found: Sequence[Commit] | Unknown
) -> tuple[InnerChange, ...] | Unknown:
    """What the commits of a branch do below ``models/``, one by one. Of a single commit the change itself says it."""
    if isinstance(found, Unknown):
        return found
    if len(found) == 1 and len(found[0].parents) == 1:
        return ()
    changes = (change for commit in found for change in _of_commit(ws, base.layout.models, commit))
    looked_at = _or_unknown(lambda: tuple(islice(changes, MOST_INNER_CHANGES + 1)))
    if not isinstance(looked_at, Unknown) and len(looked_at) > MOST_INNER_CHANGES:
        return Unknown(f"they change files more than {MOST_INNER_CHANGES} times")
    return looked_at


def _of_commit(ws: Workspace, folder: str, commit: Commit) -> Iterator[InnerChange]:
    """A merge does what it has from none of its parents."""
    tree = ws.repository.tree(commit.oid)
    parents = [ws.repository.tree(parent) for parent in commit.parents] or [MemoryTree({})]
    first, *others = parents
    if entry_at(first, folder) == entry_at(tree, folder):
        return
    for raw in raw_changes(first, tree, folder):
        if all(entry_at(other, raw.path) != raw.new for other in others):
            yield InnerChange(commit.oid, raw, _size(tree, raw.new))


def _size(tree: Tree, entry: Entry | None) -> int | None:
    return None if entry is None or entry.mode == SUBMODULE else len(tree.blob(entry.oid))


def _statements(ws: Workspace, id: str, policy: Policy) -> tuple[Statement, ...] | Unknown:
    return _or_unknown(lambda: tuple(ws.forge.statements(id, policy.keys)))


def _presence(
    ws: Workspace, base: Snapshot, pointers: Sequence[DvcPointer]
) -> Mapping[DvcPointer, Presence | Unknown]:
    if not pointers:
        return {}
    found = _or_unknown(lambda: ws.open_store(base).presence(pointers))
    return dict.fromkeys(pointers, found) if isinstance(found, Unknown) else found


def _contents(ws: Workspace, base: Snapshot, pointer: DvcPointer) -> Contents:
    try:
        return _or_unknown(lambda: ws.open_store(base).files(pointer, ws.progress))
    except Refused as error:
        return error.message


def _or_unknown(ask: Callable[[], T]) -> T | Unknown:
    """The answer; or why there is none. What is refused is an answer, and left to the caller."""
    try:
        return ask()
    except Refused:
        raise
    except GitregError as error:
        return Unknown(error.message)


def _soak(
    ws: Workspace, commit: str, base: Snapshot, question: SoakQuestion, now: datetime
) -> tuple[bool | Unknown, datetime | None]:
    """Whether the stage's file was the same blob all through the window: in every commit in it, and just before it.

    If it was not, then also since when it is as it is now; None where it is not there.
    """
    path = base.layout.stage(question.model, question.stage)
    begin = now - question.period
    since = _or_unknown(lambda: _unchanged_since(ws, commit, path, base.blob(path), begin))
    if isinstance(since, Unknown):
        return since, None
    is_over = since is not None and since <= begin
    return is_over, None if is_over else since


def _unchanged_since(
    ws: Workspace, commit: str, path: str, blob: Blob | None, begin: datetime
) -> datetime | None:
    """Since when a file is as it is, by the commits' times; once that is before ``begin`` nobody looks further."""
    since: datetime | None = None
    for each in ws.repository.first_parents(commit):
        there = entry_at(ws.repository.tree(each.oid), path)
        if blob is None or there is None or there.oid != blob.oid:
            break
        since = each.time
        if since <= begin:
            break
    return since


def _last_changed(
    ws: Workspace, commit: str, paths: Sequence[str], given: Sequence[Approval]
) -> datetime | Unknown | None:
    """When the branch last changed one of some paths, as far back as approvals go that would count."""
    if not given or not paths:
        return None
    oldest = min(approval.signed or approval.issued for approval in given)  # the signed one may be older
    return _or_unknown(lambda: _last_change(ws, commit, paths, oldest))


def _last_change(ws: Workspace, tip: str, paths: Sequence[str], since: datetime) -> datetime | None:
    """When the registry's branch last changed one of some paths; None if it did not from ``since`` on."""
    landing: Commit | None = None
    after: list[Entry | None] = [None for _ in paths]
    for commit in ws.repository.first_parents(tip):
        tree = ws.repository.tree(commit.oid)
        before = [entry_at(tree, path) for path in paths]
        if landing is not None and before != after:
            return landing.time
        if commit.time < since:
            return None
        landing, after = commit, before
    return landing.time if landing is not None and any(after) else None


def local_time(now: datetime, zone: str) -> datetime | Unknown:
    """What the clocks in a time zone show at a moment (naive): by the system's database, else by the package tzdata."""
    from zoneinfo import ZoneInfo

    try:
        return now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    except (
        KeyError,
        ValueError,
        OSError,
    ):  # no such zone; no zone's name; a folder or a broken file of that name
        return Unknown(f"the time-zone database here has no zone {zone!r}")


def write_candidate(ws: Workspace, base: str, found: Candidate) -> str:
    """Stores the candidate's tree; returns its id."""
    entries: dict[str, Entry | None] = {change.path: change.new for change in found.changes}
    return ws.repository.write_tree(base, entries)
