"""When changes first and last touched each model and version, from what the commits of the registry's branch did.

The moments are those of the first-parent line: when a change landed, not when somebody wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeAlias

from gitreg.core.codec.load import InvalidManifest, load_manifest
from gitreg.core.layout import Layout
from gitreg.core.manifest import Redirect, StageAssignment
from gitreg.core.names import is_text, parse_version
from gitreg.core.ports import Step, Touch

#: First and last, in seconds since 1970.
Span: TypeAlias = tuple[int, int]
#: By version as it is written; under "" of the model itself.
Spans: TypeAlias = dict[str, Span]
#: The name of the model itself among its versions.
MODEL = ""
#: Of how many commits the stage files are read at once.
_AT_A_TIME = 500


class Touches:
    """Takes the commits in, oldest first.

    Args:
        known: what was known of some models before the first of these commits.
        contents: the blobs of some ids, None for what is no blob, as :meth:`gitreg.core.ports.Repository.blobs`.

    Attributes:
        spans: of every model that was touched; empty if it ended.
        versions: those versions of each touched model of which a file was touched.
        files: every file that was touched and is there after the last commit, and the id of its blob.
    """

    def __init__(
        self,
        layout: Layout,
        known: Callable[[str], Spans],
        contents: Callable[[Sequence[str]], Iterator[bytes | None]],
    ) -> None:
        self.spans: dict[str, Spans] = {}
        self.versions: dict[str, set[str]] = {}
        self.files: dict[str, str] = {}
        self._prefix = f"{layout.models}/"
        self._known = known
        self._contents = contents
        self._pins: dict[str, frozenset[str]] = {}

    def take(self, steps: Iterable[Step]) -> None:
        """What these commits did."""
        rest = iter(steps)
        while some := list(islice(rest, _AT_A_TIME)):
            self._read_pins(some)
            for step in some:
                self._take(step)

    def _take(self, step: Step) -> None:
        at = int(step.time.timestamp())
        by_model: dict[str, list[tuple[list[str], Touch]]] = {}
        for touch in step.touches:
            model, *rest = touch.path.removeprefix(self._prefix).split("/")
            # A name that is no text is of no model; nobody can ask for it.
            if rest and touch.path.startswith(self._prefix) and is_text(model):
                by_model.setdefault(model, []).append((rest, touch))
                self._note(touch)
        origins = self._renamed(by_model)
        begun = {model: self._spans(model).get(MODEL, (at, at))[0] for model in origins.values()}
        for model, touches in by_model.items():
            self._touched(model, touches, at, begun.get(origins.get(model, ""), at))

    def _note(self, touch: Touch) -> None:
        if touch.new is None:
            self.files.pop(touch.path, None)
        else:
            self.files[touch.path] = touch.new

    def _spans(self, model: str) -> Spans:
        found = self.spans.get(model)
        if found is None:
            found = self.spans[model] = self._known(model)
        return found

    def _renamed(self, by_model: dict[str, list[tuple[list[str], Touch]]]) -> dict[str, str]:
        """By its new name how a model was called until this commit."""
        found: dict[str, str] = {}
        for model, touches in by_model.items():
            for rest, touch in touches:
                if rest == ["redirect.yaml"] and touch.old is None and touch.new is not None:
                    to = self._redirect(touch.new)
                    if to is not None:
                        found[to] = model
        return found

    def _touched(self, model: str, touches: list[tuple[list[str], Touch]], at: int, begun: int) -> None:
        """``begun``: the moment since which the model is there, if it begins here."""
        spans = self._spans(model)
        versions = self.versions.setdefault(model, set())
        manifest = next((touch for rest, touch in touches if rest == ["model.yaml"]), None)
        versions |= {rest[1] for rest, _ in touches if rest[0] == "versions" and len(rest) > 2}
        if manifest is not None and manifest.new is None:
            spans.clear()
            return
        if manifest is not None and manifest.old is None:
            spans.clear()
            _extend(spans, MODEL, begun)
        _extend(spans, MODEL, at)
        for version in self._concerned(touches):
            _extend(spans, version, at)

    def _concerned(self, touches: list[tuple[list[str], Touch]]) -> set[str]:
        """The versions of which a file was touched, and those that came into a stage or left one."""
        found: set[str] = set()
        for rest, touch in touches:
            if rest[0] == "versions" and len(rest) > 2:
                found.add(rest[1])
            elif rest[0] == "stages" and len(rest) == 2:
                found |= self._pinned(touch.old) ^ self._pinned(touch.new)
        return {version for version in found if parse_version(version) is not None}

    def _pinned(self, oid: str | None) -> frozenset[str]:
        """The versions that a stage file names; none if it is broken."""
        return frozenset() if oid is None else self._pins[oid]

    def _read_pins(self, steps: Sequence[Step]) -> None:
        """Reads all stage files of some commits at once; those of the commits before are mostly among them."""
        touches = (touch for step in steps for touch in step.touches if "/stages/" in touch.path)
        wanted = {oid for touch in touches for oid in (touch.old, touch.new) if oid is not None}
        lacking = [oid for oid in wanted if oid not in self._pins]
        kept = {oid: self._pins[oid] for oid in wanted if oid in self._pins}
        read = (_manifest("StageAssignment", data) for data in self._contents(lacking))
        self._pins = kept | {oid: _versions_in(found) for oid, found in zip(lacking, read, strict=True)}

    def _redirect(self, oid: str) -> str | None:
        found = _manifest("Redirect", next(iter(self._contents([oid]))))
        return found.to if isinstance(found, Redirect) else None


def _manifest(kind: str, data: bytes | None) -> object | None:
    """A manifest of the past; None if it is broken."""
    if data is None:
        return None
    try:
        return load_manifest(kind, data, kind)
    except InvalidManifest:
        return None


def _versions_in(stage: object | None) -> frozenset[str]:
    return (
        frozenset(str(pin.version) for pin in stage.versions)
        if isinstance(stage, StageAssignment)
        else frozenset()
    )


def _extend(spans: Spans, key: str, at: int) -> None:
    first, last = spans.get(key, (at, at))
    spans[key] = (min(first, at), max(last, at))
