"""What every forge has in common: signed statements as refs of the hub, and signatures of commits.

``refs/gitreg/approvals/<change-id>/<key>/<nonce>`` is a signed statement (statements.py), only ever created; ``<key>``
is the sha256 of the public key that signed. GitHub and GitLab keep such refs as any git server does. All of it is as of
the repository's last fetch. Whoever may push may write these refs, so whatever they hold is read as hostile.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from gitreg.adapters.forge.ssh import GIT_NAMESPACE, check_signature, fingerprint
from gitreg.adapters.forge.statements import demand_change_id, seal, unseal
from gitreg.core.ports import Commit, RefUpdate, Repository, Signature, Signer, Statement
from gitreg.errors import Undecided

APPROVALS = "refs/gitreg/approvals/"

_STRANGER = "its key is nobody's in the base's policy"


class SignedForge:
    """The part of a ``Forge`` that needs nothing but a repository whose hub can be pushed to."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def statements(self, change_id: str, known: Collection[str] | None = None) -> Sequence[Statement]:
        """Everything filed as a statement on this change, sorted by ref.

        A statement is returned with its body as it was signed: that it is filed under this change does not mean
        that it speaks of it. To check one costs a process, and anybody may file thousands with keys of their own: with
        ``known`` keys, others are not looked at.

        Raises:
            Undecided: one of the refs names no blob, or a missing one.
        """
        demand_change_id(change_id)
        refs = self._repository.hub_refs(f"{APPROVALS}{change_id}/")
        prints = None if known is None else _fingerprints(known)
        return [
            self._statement(ref, oid)
            if prints is None or ref.split("/")[4] in prints
            else Statement({}, Signature(None, False, _STRANGER), ref)
            for ref, oid in sorted(refs.items())
        ]

    def state(self, change_id: str, body: Mapping[str, object], signer: Signer, now: datetime) -> str:
        """Signs ``body`` as it is and files it under a ref of its own; returns the ref."""
        demand_change_id(change_id)
        blob = self._repository.write_blob(seal(body, signer))
        ref = f"{APPROVALS}{change_id}/{fingerprint(signer.public_key)}/{secrets.token_hex(16)}"
        self._repository.update([RefUpdate(ref, None, blob)])
        return ref

    def who_signed(self, commit: Commit) -> Signature | None:
        """See :class:`gitreg.core.ports.Forge`."""
        if commit.sealed is None or "SSH SIGNATURE" not in commit.sealed.armor[:40]:
            return None
        return check_signature(commit.sealed.payload, commit.sealed.armor, GIT_NAMESPACE)

    def _statement(self, ref: str, oid: str) -> Statement:
        blob = self._blob(oid)
        if blob is None:
            # Not to be passed over: it may be the one that revokes another.
            raise Undecided(f"{ref} cannot be read: {oid} is no file or missing", "git fetch may bring it")
        found = unseal(blob, ref)
        key = found.signature.key
        if key is not None and ref.split("/")[4] != fingerprint(key):
            return replace(
                found, signature=Signature(None, False, "it is filed under another key than its signer's")
            )
        return found

    def _blob(self, oid: str) -> bytes | None:
        return next(iter(self._repository.blobs([oid])))


def _fingerprints(keys: Collection[str]) -> set[str]:
    """Those of the keys that are some: a policy may list a text that only looks like one."""
    found = set()
    for key in keys:
        with suppress(ValueError):
            found.add(fingerprint(key))
    return found
