"""Whether the files that a hosted forge obeys are on the registry's branch, and are those that gitreg writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gitreg.core.doctor.point import Point, unread
from gitreg.core.ports import Tree, Unread
from gitreg.core.scaffold.files import GITLAB_JOBS, GITLAB_MAIN, TEMPLATES, includes_jobs

#: The files without which the forge runs no gate.
GATES = {"github": (TEMPLATES["github"]["github/gitreg-verify.yml"],), "gitlab": (GITLAB_MAIN, GITLAB_JOBS)}
_SCAFFOLD = "gitreg forge scaffold writes it; commit it by a change request"


def file_points(
    provider: str, expected: Mapping[str, bytes] | Unread, tree: Tree, *, elsewhere: bool = False
) -> list[Point]:
    """The points about a branch's files.

    Args:
        provider: ``github`` or ``gitlab``.
        expected: what gitreg would write, from the policy of the branch and what others have written in these files.
        tree: the files of the branch.
        elsewhere: the gate is defined in another project, so not here.
    """
    return [_gate(provider, tree, elsewhere), *_compared(expected, tree)]


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


def _compared(expected: Mapping[str, bytes] | Unread, tree: Tree) -> Iterator[Point]:
    fix = "gitreg forge scaffold --check says more"
    if isinstance(expected, Unread):
        yield unread("owners of the rules", expected, fix)
        yield unread("scaffold", expected, fix, needed=False)
        return
    owners = [path for path in expected if path.rpartition("/")[2] == "CODEOWNERS"]
    yield _owners(owners[0] if owners else "CODEOWNERS", expected, tree)
    differing = [path for path in expected if path not in owners and not _is_same(tree, path, expected[path])]
    text = (
        f"not as this gitreg writes them: {', '.join(differing)}"
        if differing
        else "as this gitreg writes them"
    )
    yield Point("scaffold", not differing, text, "gitreg forge scaffold" if differing else "", needed=False)


def _owners(path: str, expected: Mapping[str, bytes], tree: Tree) -> Point:
    name = "owners of the rules"
    if path in expected and _is_same(tree, path, expected[path]):
        return Point(name, True, f"{path} gives every rules file to the rules owners of the policy")
    text = f"{path} does not give every rules file to the rules owners of the policy"
    return Point(name, False, text, _SCAFFOLD)


def _is_same(tree: Tree, path: str, data: bytes) -> bool:
    blob = tree.read(path)
    return blob is not None and blob.data == data
