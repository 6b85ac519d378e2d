"""What a push does to pull requests, and the refs under ``refs/pull/``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from forge.bare import NOTHING, Person
from forge.fake_github_state import WEB_FLOW, GitHubRepository, Pull
from forge.git_host import Push

if TYPE_CHECKING:
    from forge.fake_github import FakeGitHub

_HEADS = "refs/heads/"


def follow(host: FakeGitHub, repo: GitHubRepository, push: Push) -> None:
    """Lets the open pull requests see a branch that moved: first those that it is the head of, then its base's."""
    if not push.ref.startswith(_HEADS):
        return
    branch = push.ref.removeprefix(_HEADS)
    for target, pull in _open(host):
        if pull.head_repository == repo.full_name and pull.head_ref == branch:
            _head_moved(host, target, pull, push)
    for target, pull in _open(host):
        if target is repo and pull.base_ref == branch:
            _base_moved(host, repo, pull, push)


def _open(host: FakeGitHub) -> Iterator[tuple[GitHubRepository, Pull]]:
    for repo in list(host.repositories.values()):
        assert isinstance(repo, GitHubRepository)
        for pull in list(repo.pulls.values()):
            if pull.state == "open":
                yield repo, pull


def _head_moved(host: FakeGitHub, repo: GitHubRepository, pull: Pull, push: Push) -> None:
    if push.after == NOTHING:
        host.note(pull, "head_ref_deleted", push.login)
        host.close(repo, pull, push.login)
        return
    if push.forced:
        host.note(pull, "head_ref_force_pushed", push.login, commit=push.after)
    if not host.may_write(push.login, repo):
        host.stop_auto_merge(pull, push.login)
    source = host.repository(pull.head_repository)
    assert source is not None
    host.bring(source, repo, push.after)
    pull.head, pull.updated = push.after, host.now
    _dismiss_stale(host, repo, pull)
    show(host, repo, pull)
    host.announce("pull_request", repo, pull, push.login, action="synchronize", before=push.before)
    if repo.bare.is_ancestor(pull.head, pull.base):
        host.close(repo, pull, push.login)


def _dismiss_stale(host: FakeGitHub, repo: GitHubRepository, pull: Pull) -> None:
    if not host.rules.dismisses_stale(repo, pull.base_ref):
        return
    for review in pull.reviews:
        if review.state == "APPROVED":
            host.dismiss(pull, review, pull.login, None)


def _base_moved(host: FakeGitHub, repo: GitHubRepository, pull: Pull, push: Push) -> None:
    if push.after == NOTHING:
        host.close(repo, pull, push.login)
    elif repo.bare.is_ancestor(pull.head, push.after):
        host.mark_merged(repo, pull, push.login, push.after)
    else:
        show(host, repo, pull)


def show(host: FakeGitHub, repo: GitHubRepository, pull: Pull) -> None:
    """Brings ``refs/pull/N/head`` and ``…/merge`` up to date. Where head and base conflict, the latter stays."""
    pull.base = repo.bare.branch(pull.base_ref) or pull.base
    repo.bare.move(f"refs/pull/{pull.number}/head", pull.head)
    tree = repo.bare.merged_tree(pull.base, pull.head)
    pull.mergeable = tree is not None
    if tree is None:
        return
    message = f"Merge {pull.head} into {pull.base}"
    button = Person(*WEB_FLOW, host.now)
    made = repo.bare.write_commit(tree, [pull.base, pull.head], message, button, button)
    repo.bare.move(f"refs/pull/{pull.number}/merge", made)
    pull.merge_commit = made
