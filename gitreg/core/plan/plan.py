"""What every plan is: the edits that carry out an intent on one snapshot, and how the change is called."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from gitreg.core.codec.edit import edit_yaml
from gitreg.core.codec.load import InvalidManifest, load_manifest
from gitreg.core.codec.yaml import dump_yaml
from gitreg.core.decode import API_VERSION
from gitreg.core.ports import BRANCH_PREFIX
from gitreg.core.snapshot import Snapshot
from gitreg.errors import GitregError, NotFound, UsageError


class NothingToDo(GitregError):
    """The registry is already as asked."""

    exit_code = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One of the commits in which a change came about: its message, and what it edits of what those before it left."""

    message: str
    edits: Mapping[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """Edits to the files of one snapshot.

    ``intent`` is what was asked together with the serials that it starts from: equal intents on equal serials are
    the same change, on the same branch. ``edits`` maps paths (from the repository's root) to new content, or None to
    remove. Where a change has a history of its own, ``steps`` are its commits, which together make the edits: the
    change is then a merge of them, judged as one.
    """

    kind: str
    title: str
    intent: tuple[object, ...]
    edits: Mapping[str, bytes | None]
    steps: tuple[Step, ...] = ()

    @property
    def branch(self) -> str:
        """The branch of the change: its kind, and a hash of its intent."""
        text = json.dumps([self.kind, *self.intent], ensure_ascii=True, separators=(",", ":"))
        return f"{BRANCH_PREFIX}{self.kind}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def checked(snapshot: Snapshot, plan: Plan) -> Plan:
    """The plan, if all that it writes can be read back. Raises UsageError where what was asked allows no manifest."""
    for path, data in plan.edits.items():
        kind = snapshot.layout.place(path).kind
        if data is not None and kind is not None:
            try:
                load_manifest(kind, data, path)
            except InvalidManifest as error:
                raise UsageError(f"{path} would not be valid: {error.problem}", error.hint) from None
    return plan


def demand_model(snapshot: Snapshot, model: str) -> None:
    """Raises NotFound unless a living model has exactly this name (what ends a model follows no redirect)."""
    if snapshot.model(model) is None:
        raise NotFound(f"no model is called {model!r}", "gitreg model list shows all")


def new_file(kind: str, body: Mapping[str, object]) -> bytes:
    """The text of a new manifest; keys without a value are left out."""
    said = {key: value for key, value in body.items() if value not in (None, {}, (), [])}
    return dumped({"apiVersion": API_VERSION, "kind": kind} | said)


def dumped(value: object) -> bytes:
    """The text of a manifest. Raises UsageError for what YAML cannot say (NaN, infinities)."""
    try:
        return dump_yaml(value).encode()
    except ValueError as error:
        raise UsageError(str(error)) from None


def written(snapshot: Snapshot, path: str, whole: Mapping[str, object], keys: tuple[str, ...]) -> bytes:
    """A manifest after an edit: the old text with ``keys`` set from ``whole``, or ``whole`` where there is none."""
    blob = snapshot.blob(path)
    if blob is None:
        return dumped(dict(whole))
    return edit_yaml(blob.data, {(key,): whole[key] for key in keys})
