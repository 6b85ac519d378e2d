"""Who moved what, and when: events read off the differences between a commit and its first parent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from gitreg.core.decode import show_time
from gitreg.core.delta import (
    AliasMoved,
    Change,
    Delta,
    EvidenceAdded,
    MarkerTampered,
    ModelCreated,
    ModelDeleted,
    ModelEdited,
    ModelRenamed,
    NotesEdited,
    PointerRemoved,
    RecordTampered,
    RulesChanged,
    Transition,
    UnknownChange,
    VersionDeleted,
    VersionRegistered,
    delta,
    is_of_import,
    transitions,
)
from gitreg.core.names import NONE
from gitreg.core.policy import Policy
from gitreg.core.ports import Commit, Identity
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import raw_changes
from gitreg.errors import GitregError


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that one commit did.

    ``time`` is the commit's (UTC); ``author`` made the change and ``merged_by`` landed it (None: the author), both as
    git has them; ``model`` is "" for the registry's rules; ``request`` is the change request that landed it, where the
    forge knows one.
    """

    time: datetime
    commit: str
    author: Identity
    kind: str
    model: str
    what: str
    request: str | None = None
    merged_by: Identity | None = None

    def as_json(self) -> dict[str, object]:
        """The event as plain values."""
        return {
            "time": show_time(self.time),
            "commit": self.commit,
            "author": _person(self.author),
            "mergedBy": _person(self.merged_by) if self.merged_by else None,
            "kind": self.kind,
            "model": self.model,
            "what": self.what,
            "request": self.request,
        }


#: What GitHub, gitreg and GitLab write into a merge's message, and GitHub into that of a squashed one.
_NUMBERS = re.compile(
    r"\AMerge (?:pull request|change) #([0-9]{1,15})\b|\A[^\n]* \(#([0-9]{1,15})\)(?:\n|\Z)"
    r"|^See merge request [^\s!]*!([0-9]{1,15})$",
    re.MULTILINE,
)


def request_named(message: str) -> str | None:
    """The number of the request that a commit's message says it landed: a hint where to look, and no proof of it."""
    found = _NUMBERS.search(message)
    return next(filter(None, found.groups()), None) if found else None


#: The address in which GitHub hides a person's own: their login is in it, behind a number in newer ones.
#: https://docs.github.com/account-and-profile/reference/email-addresses-reference#your-noreply-email-address
_NO_REPLY = re.compile(r"(?:[0-9]+\+)?([^+@]+)@users\.noreply\.github\.com\Z", re.IGNORECASE)


def is_same_person(one: Identity, other: Identity, policy: Policy) -> bool:
    """Whether two names in git are one person's: a merge on a forge is in the name and address of an account there."""
    if one.email.casefold() == other.email.casefold():
        return True
    found = _known(one, policy)
    return found is not None and found == _known(other, policy)


def _known(identity: Identity, policy: Policy) -> str | None:
    hidden = _NO_REPLY.match(identity.email)
    named = policy.person_called("github", hidden[1]) if hidden else None
    email = identity.email.casefold()
    own = next((person for person in policy.people if (person.email or "").casefold() == email), None)
    person = named or own
    return person.id if person else None


def policy_of(snapshot: Snapshot) -> Policy:
    """The policy as it is there; an empty one where it cannot be read."""
    try:
        return snapshot.policy()
    except GitregError:
        return Policy()


def _person(identity: Identity) -> dict[str, str]:
    return {"name": identity.name, "email": identity.email}


def events(
    commit: Commit, base: Snapshot, head: Snapshot, models: Iterable[str] | None = None
) -> Iterator[Event]:
    """What one commit did to the registry (to some models only, if they are named)."""
    folders = None if models is None else [base.layout.model(name, "").rstrip("/") for name in models]
    raw = [
        change
        for folder in ([base.root.rstrip("/")] if folders is None else folders)
        for change in raw_changes(base.tree, head.tree, folder)
    ]
    if not raw:
        return
    found = delta(base, head, raw)
    for kind, model, what in _sentences(found, _policy(base, head)):
        yield Event(commit.time, commit.oid, commit.author, kind, model, what)


def _policy(base: Snapshot, head: Snapshot) -> Policy:
    """The policy by which the change was judged; where there is none yet, the one it brings."""
    for snapshot in (base, head):
        try:
            return snapshot.policy()
        except GitregError:
            continue
    return Policy()


def _sentences(found: Delta, policy: Policy) -> Iterator[tuple[str, str, str]]:
    imported = found.imported
    for change in found.changes:
        sentence = _sentence(change)
        if sentence:
            yield ("import", *sentence[1:]) if is_of_import(change, imported) else sentence
    for move in transitions(found, policy):
        yield _move(move)
    if any(isinstance(change, RulesChanged) for change in found.changes):
        yield "rules", "", f"changed {_shortened(sorted(change.path for change in found.of(RulesChanged)))}"


def _shortened(paths: list[str]) -> str:
    """The rules themselves first; beyond three they are counted."""
    first = sorted(
        paths, key=lambda path: (not path.endswith("policy.yaml"), not path.endswith("gitreg.yaml"), path)
    )
    more = [f"and {len(paths) - 3} more files"] if len(paths) > 3 else []
    return ", ".join([*first[:3], *more])


def _move(move: Transition) -> tuple[str, str, str]:
    version = f"version {move.pin.version}"
    if move.rollback:
        kind, why = "rollback", " (rolled back)"
    elif move.displaced:
        kind, why = "displaced", " (gave way)"
    elif move.imported:
        kind, why = "import", " (imported)"
    else:
        kind, why = ("demote" if move.target == NONE else "promote"), ""
    return kind, move.model, f"{version}: {move.source} → {move.target}{why}"


def _sentence(change: Change) -> tuple[str, str, str] | None:
    match change:
        case VersionRegistered(model, version, imported=True):
            return "import", model, f"imported version {version}"
        case VersionRegistered(model, version, copied):
            return ("copy" if copied else "register"), model, f"registered version {version}"
        case VersionDeleted(model, version):
            return "delete", model, f"deleted version {version}"
        case EvidenceAdded(model, version, name, retraction):
            return (
                "evidence",
                model,
                f"{'retracted' if retraction else 'added'} evidence {name} of version {version}",
            )
        case NotesEdited(model, version):
            return "annotate", model, f"edited the notes of version {version}"
        case ModelCreated(model):
            return "register", model, "created the model"
        case ModelEdited(model):
            return "annotate", model, "edited the model"
        case ModelDeleted(model):
            return "delete", model, "deleted the model"
        case ModelRenamed(model, to):
            return "rename", model, f"renamed to {to}"
        case AliasMoved(model, alias, _, old, new):
            before = old.pin.version if old and old.pin else NONE
            after = new.pin.version if new and new.pin else NONE
            return "alias", model, f"@{alias}: {before} → {after}"
        case RecordTampered(path) | PointerRemoved(path) | MarkerTampered(path) | UnknownChange(path):
            return "irregular", "", f"changed {path} against the rules"
    return None
