"""What a server's pre-receive hook decides: whether a push may be taken, as a whole.

Everything is judged as it would be after the push: approvals and requests that come with it count. A request that the
push marks as merged is still open while its change is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitreg.core.codec.load import InvalidManifest
from gitreg.core.findings import Finding, exit_code, sort_findings
from gitreg.core.ports import Commit, Guard, Pusher, RefUpdate
from gitreg.core.verify.rule import PushedRef
from gitreg.core.verify.rules import PUSH_RULES
from gitreg.core.verify.rules.refs import MOST_REFS
from gitreg.errors import ConfigError
from gitreg.flows.replay import line_between, replay
from gitreg.flows.verify import Verdict
from gitreg.flows.workspace import Workspace

#: Commits on the registry's branch that one push may bring; and that a branch may have when it is first pushed.
MOST_COMMITS = 1000
MOST_FIRST_COMMITS = 1_000_000


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a push: findings about its refs, and a verdict on each commit of the registry's branch in it."""

    refs: tuple[Finding, ...] = ()
    verdicts: tuple[Verdict, ...] = ()

    @property
    def findings(self) -> list[Finding]:
        """All of them, most severe first."""
        return sort_findings([*self.refs, *(f for verdict in self.verdicts for f in verdict.findings)])


def pending(guard: Guard, updates: Sequence[RefUpdate]) -> Mapping[str, str | None]:
    """The refs as they count while the push is judged: all that it adds, but no end of a request or of a branch."""
    return {u.ref: u.new for u in updates if u.new is not None and not guard.ends_request(u)}


def receive(
    ws: Workspace,
    guard: Guard,
    updates: Sequence[RefUpdate],
    pusher: Pusher | None,
    say: Callable[[Verdict], None] = lambda verdict: None,
) -> Receipt:
    """Judges a push to the repository of ``ws``, whose forge sees its :func:`pending` refs.

    Args:
        guard: knows what the refs of gitreg's own may hold.
        pusher: who pushes, as far as the transport knows.
        say: is told every verdict as soon as there is one.
    """
    landing = {update.ref: update.new for update in updates if update.ref.startswith("refs/heads/")}
    is_sane = len(updates) <= MOST_REFS  # else the rule says so, and nothing is looked at
    real = ws.repository.real_refs([u.ref for u in updates if u.ref.isprintable()]) if is_sane else {}
    refs = tuple(
        _pushed(ws, guard, update, landing, real)
        if is_sane
        else PushedRef(update.ref, update.old, update.new)
        for update in updates
    )
    findings = sort_findings(finding for rule in PUSH_RULES for finding in rule.check(refs))
    trunk = next((update for update in updates if update.ref == ws.target), None)
    if exit_code(findings) or trunk is None or trunk.new is None:
        return Receipt(tuple(findings))
    verdicts = tuple(_landings(ws, trunk.old, trunk.new, pusher, say))
    astray = _landed_astray(guard, updates, verdicts)
    findings += [finding for rule in PUSH_RULES for finding in rule.check(astray)]
    return Receipt(tuple(findings), verdicts)


def _pushed(
    ws: Workspace,
    guard: Guard,
    update: RefUpdate,
    landing: Mapping[str, str | None],
    real: Mapping[str, str],
) -> PushedRef:
    if real.get(update.ref) != update.old:
        return PushedRef(update.ref, update.old, update.new, is_elsewhere=True)
    if update.ref == ws.target:
        goes_on = update.new is not None and _line(ws, update.old, update.new) is not None
        return PushedRef(update.ref, update.old, update.new, is_trunk=True, goes_on=goes_on)
    is_own = update.ref.startswith("refs/gitreg/")
    objection = guard.objection(update, landing) if is_own else None
    names_itself = update.ref.startswith("refs/heads/") and _names_itself(ws, update)
    return PushedRef(update.ref, update.old, update.new, objection=objection, names_itself=names_itself)


def _landed_astray(
    guard: Guard, updates: Sequence[RefUpdate], verdicts: Sequence[Verdict]
) -> tuple[PushedRef, ...]:
    """The requests that the push marks as merged by a commit that was judged as another's, or as nobody's.

    History would tell for ever that it was asked for there, and who asked.
    """
    judged = {verdict.head: verdict.request for verdict in verdicts}
    found = []
    for update in updates:
        number, commit = guard.lands_request(update) or ("", "")
        request = judged.get(commit)
        if commit in judged and (request is None or request.id != number):
            other = f"#{request.id} does" if request else "no request does"
            why = f"what lands is not what this request asks for ({other})"
            found.append(PushedRef(update.ref, update.old, update.new, objection=why))
    return tuple(found)


def _names_itself(ws: Workspace, update: RefUpdate) -> bool:
    """Whether the registry in a branch that is pushed says that this branch is its own."""
    if update.new is None:
        return False
    try:
        return update.ref == f"refs/heads/{ws.snapshot(update.new).registry().branch}"
    except (ConfigError, InvalidManifest):  # no registry, or none that anybody could read
        return False


def _line(ws: Workspace, old: str | None, new: str) -> Sequence[Commit] | None:
    return line_between(ws, old, new, MOST_FIRST_COMMITS if old is None else MOST_COMMITS)


def _landings(
    ws: Workspace, old: str | None, new: str, pusher: Pusher | None, say: Callable[[Verdict], None]
) -> Iterator[Verdict]:
    commits = _line(ws, old, new) or ()
    for verdict in replay(ws, commits, received=ws.clock(), pusher=pusher):
        say(verdict)
        yield verdict
