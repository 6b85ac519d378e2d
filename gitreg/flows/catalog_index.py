"""Keeps the read index of a registry at the commit that its branch has.

git is the only source of truth. What the index says is derived from one commit and the first-parent line that leads to
it; it is brought up to date from the difference, or made anew where it is of another history, or cannot be read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from gitreg.core import catalog_rows as rows
from gitreg.core.catalog import original_of
from gitreg.core.codec.load import InvalidManifest
from gitreg.core.layout import REGISTRY_FILE
from gitreg.core.names import NONE, Version, fold, parse_version, pointer_name_problem
from gitreg.core.ports import Step
from gitreg.core.read_index import IndexDamaged, IndexEditor, IndexView, ModelRow, VersionPlace, VersionRow
from gitreg.core.snapshot import Snapshot, in_order
from gitreg.core.touches import MODEL, Spans, Touches
from gitreg.core.tree import MemoryTree
from gitreg.errors import NotFound, Undecided
from gitreg.flows.workspace import Workspace

T = TypeVar("T")
#: How often an index that is damaged is thrown away before that is an error.
_ATTEMPTS = 3
#: Of how many models the manifests are read at once where all are read.
_MODELS_AT_A_TIME = 50


def read_index(ws: Workspace, ask: Callable[[IndexView], T]) -> T:
    """What ``ask`` finds in the index, at a commit that the registry's branch has had since this was called.

    Raises:
        ConfigError: there is no registry. InvalidManifest: ``gitreg.yaml`` is broken. Undecided: git, or others who use
            the index, do not answer.
    """
    for _ in range(_ATTEMPTS):
        try:
            return _read(ws, ask)
        except IndexDamaged:
            ws.index.discard()
    raise Undecided("the read index is damaged again and again", "make room on the disk, then try again")


def _read(ws: Workspace, ask: Callable[[IndexView], T]) -> T:
    wanted = _state(ws, ws.tip())
    with ws.index.reading() as view:
        if view.state() == wanted:
            return ask(view)
    with ws.index.editing() as editor:
        _update(ws, editor)
        return ask(editor)


def _state(ws: Workspace, commit: str) -> str:
    """What an index says that it is of."""
    return json.dumps([rows.FORMAT, ws.root, ws.repository.is_shallow, commit])


def _update(ws: Workspace, editor: IndexEditor) -> None:
    """Makes the index one of the branch's newest commit, which may have moved while this waited for its turn."""
    commit, snapshot = ws.current()
    wanted, known = _state(ws, commit), editor.state()
    if known == wanted:
        return
    base = _base(known, wanted)
    steps = ws.repository.steps(base, commit, snapshot.layout.models) if base is not None else None
    if steps is not None:
        touches = _taken(ws, editor, steps, snapshot)
        there: Iterable[tuple[str, Snapshot]] = ((name, snapshot) for name in touches.versions)
    else:
        editor.clear()
        steps = ws.repository.steps(None, commit, snapshot.layout.models)
        assert steps is not None, "every commit is on the line from the first one on"
        touches = _taken(ws, editor, steps, snapshot)
        there = _loaded(ws, snapshot, touches)
    for name, loaded in there:
        editor.set_times(name, touches.spans[name])
        _Folder(loaded, name, touches.versions[name], touches.spans[name], editor).derive()
    editor.set_state(wanted)


def _taken(ws: Workspace, editor: IndexEditor, steps: Iterable[Step], snapshot: Snapshot) -> Touches:
    """What the commits touched, on top of what the index knows of the commits before."""

    def known(model: str) -> Spans:
        return editor.times([model]).get(model, {})

    touches = Touches(snapshot.layout, known, ws.repository.blobs)
    touches.take(steps)
    return touches


def _loaded(ws: Workspace, snapshot: Snapshot, touches: Touches) -> Iterator[tuple[str, Snapshot]]:
    """Each model, with a snapshot in which its manifests are: those of many models are read at once.

    All commits from the first one on were taken in, so what they left is what is there.
    """
    models = f"{snapshot.layout.models}/"
    registry = snapshot.layout.path(REGISTRY_FILE)
    manifest = snapshot.tree.read(registry)
    assert manifest is not None, "a registry is where it is"
    by_model: dict[str, dict[str, str]] = {name: {} for name in touches.versions}
    for path, oid in touches.files.items():
        model, _, inside = path.removeprefix(models).partition("/")
        if inside.endswith(".yaml") and "/evidence/" not in inside:
            by_model[model][path] = oid
    rest = iter(by_model.items())
    while some := dict(islice(rest, _MODELS_AT_A_TIME)):
        oids = {path: oid for files in some.values() for path, oid in files.items()}
        contents = zip(oids, ws.repository.blobs(list(oids.values())), strict=True)
        files = {path: data for path, data in contents if data is not None}
        files[registry] = manifest.data
        there = Snapshot(MemoryTree(files), ws.root, snapshot.commit)
        yield from ((name, there) for name in some)


def _base(known: str, wanted: str) -> str | None:
    """The commit from which the index can be brought on; None if it has to be made anew."""
    try:
        *known_rest, base = json.loads(known)
    except ValueError:
        return None
    return base if known_rest == json.loads(wanted)[:-1] and isinstance(base, str) else None


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder of ``models/`` in which ``versions`` were touched; ``spans`` says when."""

    snapshot: Snapshot
    name: str
    versions: Collection[str]
    spans: Spans
    editor: IndexEditor

    def derive(self) -> None:
        """Puts what the folder is now into the index; what cannot be read hides nothing else."""
        try:
            row = self._row()
        except (InvalidManifest, NotFound) as error:
            self.editor.drop_model(self.name)
            row = self._as(rows.BROKEN, str(error).encode(errors="backslashreplace").decode())
        if row is None:
            self.editor.drop_model(self.name)
        else:
            self.editor.set_model(row)

    def _row(self) -> ModelRow | None:
        files = self.snapshot.tree.list(self.snapshot.layout.model(self.name, "").rstrip("/"))
        if "model.yaml" in files:
            return self._model()
        self.editor.drop_model(self.name)
        redirect = self.snapshot.redirect(self.name)
        if redirect is not None:
            return self._as(rows.REDIRECT, redirect.to)
        return self._as(rows.DEAD) if "tombstone.yaml" in files else None

    def _as(self, kind: str, document: str = "") -> ModelRow:
        return ModelRow(self.name, fold(self.name), kind, document)

    def _model(self) -> ModelRow:
        model = self.snapshot.model(self.name)
        if model is None:
            raise NotFound(f"{self.snapshot.layout.model(self.name)} is no file")
        pointers = _pointers(self.snapshot.aliases(self.name))
        aliases = {alias: each.pin.version for alias, each in pointers.items() if each.pin}
        self._set_versions(aliases)
        first, last = (each * 1_000_000 for each in self.spans.get(MODEL, (0, 0)))
        oldest = self.editor.oldest(self.name)
        created = first if oldest is None else min(first, oldest)
        return rows.model_row(model, self.name, aliases, created, max(created, last))

    def _set_versions(self, aliases: Mapping[str, Version]) -> None:
        known = self.editor.model(self.name, "")
        if known is None or known.kind != rows.MODEL:
            self.editor.drop_model(self.name)
            places, fresh = {}, [str(version) for version in self.snapshot.versions(self.name)]
        else:
            places = {place.version: place for place in self.editor.places(self.name)}
            fresh = [each for each in self.versions if self._is_living(each)]
        gone = [each for each in self.versions if each in places and each not in fresh]
        self.editor.drop_versions(self.name, gone)
        kept = places.keys() - set(gone)
        wanted = self._places({*kept, *fresh}, aliases)
        new = (wanted[version] for version in fresh)
        self.editor.set_versions(self._version(place) for place in new)
        moved = kept - set(fresh)
        self.editor.set_places(
            self.name, [wanted[version] for version in moved if wanted[version] != places[version]]
        )

    def _version(self, place: VersionPlace) -> VersionRow:
        version = _parsed(place.version)
        record, notes = (
            self.snapshot.demand_record(self.name, version),
            self.snapshot.notes(self.name, version),
        )
        return rows.version_row(record, notes, self.name, place, original_of(self.snapshot, record))

    def _is_living(self, version: str) -> bool:
        parsed = parse_version(version)
        return parsed is not None and self.snapshot.is_living(self.name, parsed)

    def _places(self, versions: Collection[str], aliases: Mapping[str, Version]) -> dict[str, VersionPlace]:
        """Where the living versions are placed, by version."""
        assignments = _pointers(self.snapshot.stages(self.name))
        stages = {str(pin.version): stage for stage, each in assignments.items() for pin in each.versions}
        named: dict[str, list[str]] = {}
        for alias, version in aliases.items():
            named.setdefault(str(version), []).append(alias)
        order = in_order(_parsed(version) for version in versions)
        return {
            version: VersionPlace(
                version,
                position,
                stages.get(version, NONE),
                rows.joined(named.get(version, ())),
                self.spans.get(version, (0, 0))[1],
            )
            for position, version in enumerate(map(str, order))
        }


def _pointers(found: Mapping[str, T]) -> dict[str, T]:
    """Those that bear a pointer's name: a file that is called otherwise is none."""
    return {name: each for name, each in found.items() if pointer_name_problem(name) is None}


def _parsed(version: str) -> Version:
    found = parse_version(version)
    assert found is not None, "only living versions are placed"
    return found
