"""Whether the files that a hosted forge obeys are on the registry's branch, and are those that gitreg writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gitreg.core.doctor.point import Point, unread
from gitreg.core.forge_settings import Unread
from gitreg.core.layout import Layout
from gitreg.core.policy import Policy
from gitreg.core.ports import Tree
from gitreg.core.scaffold.files import GITLAB_JOBS, GITLAB_MAIN, TEMPLATES, includes_jobs, owners_place
from gitreg.core.scaffold.owners import codeowners
from gitreg.errors import GitregError

#: The files without which the forge runs no gate.
GATES = {"github": (TEMPLATES["github"]["github/gitreg-verify.yml"],), "gitlab": (GITLAB_MAIN, GITLAB_JOBS)}
_SCAFFOLD = "gitreg forge scaffold writes it; commit it by a change request"


def file_points(
    provider: str,
    policy: Policy,
    layout: Layout,
    globs: Sequence[str],
    expected: Mapping[str, bytes] | Unread,
    tree: Tree,
    *,
    elsewhere: bool = False,
) -> list[Point]:
    """The points about a branch's files.

    Args:
        provider: ``github`` or ``gitlab``.
        policy: who owns the rules.
        layout: the registry's; ``globs`` are its protected files.
        expected: what gitreg would write in place of the files of the branch.
        tree: the files of the branch.
        elsewhere: the gate is defined in another project, so not here.
    """
    return [
        _gate(provider, tree, elsewhere),
        _owners(provider, policy, layout, globs, tree, () if elsewhere else GATES[provider]),
        _compared(expected, tree),
    ]


def _gate(provider: str, tree: Tree, elsewhere: bool) -> Point:
    missing = [path for path in GATES[provider] if tree.read(path) is None]
    if missing:
        return Point("gate", False, f"{missing[0]} is not on the branch", _SCAFFOLD, needed=not elsewhere)
    if provider == "gitlab" and not includes_jobs(tree):
        fix = f"add to it  include: [{{local: {GITLAB_JOBS}}}]"
        return Point(
            "gate", False, f"{GITLAB_MAIN} does not include {GITLAB_JOBS}", fix, needed=not elsewhere
        )
    return Point("gate", True, f"{GATES[provider][-1]} is on the branch", needed=not elsewhere)


def _owners(
    provider: str, policy: Policy, layout: Layout, globs: Sequence[str], tree: Tree, gates: Sequence[str]
) -> Point:
    """Whether CODEOWNERS ends as gitreg writes it: the last line that matches a file decides.

    And whether it and the ``gates`` are among the rules files at all, which ``protected`` of gitreg.yaml can deny.
    """
    name, path = "owners of the rules", owners_place(provider, tree)
    blob = tree.read(path)
    present = blob.data.decode(errors="replace") if blob else None
    try:
        wanted = codeowners(policy, provider, layout, globs, present)
    except GitregError as error:
        return Point(name, False, error.message, error.hint or "")
    free = [each for each in (*gates, path) if not layout.is_rules(each)]
    if free:
        text = f"{free[0]} is no rules file, so anybody could change what checks their change"
        return Point(
            name, False, text, f"add {', '.join(free)} to protected in gitreg.yaml, or leave that key out"
        )
    if present == wanted:
        return Point(name, True, f"{path} gives every rules file to the rules owners of the policy")
    return Point(
        name, False, f"{path} does not give every rules file to the rules owners of the policy", _SCAFFOLD
    )


def _compared(expected: Mapping[str, bytes] | Unread, tree: Tree) -> Point:
    if isinstance(expected, Unread):
        return unread("scaffold", expected, "gitreg forge scaffold --check says more", needed=False)
    differing = [path for path, data in expected.items() if not _is_same(tree, path, data)]
    text = "the files are as this gitreg writes them"
    if differing:
        text = f"not as this gitreg writes them: {', '.join(differing)}"
    return Point("scaffold", not differing, text, "gitreg forge scaffold" if differing else "", needed=False)


def _is_same(tree: Tree, path: str, data: bytes) -> bool:
    blob = tree.read(path)
    return blob is not None and blob.data == data
