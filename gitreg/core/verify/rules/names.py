"""GR105: names are valid, and differ by more than case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gitreg.core.findings import Finding
from gitreg.core.names import fold, model_name_problem, parse_version, pointer_name_problem
from gitreg.core.verify.rule import Rule, Scope, SnapshotRule

RULE = Rule("GR105", "names", "Names are valid, and differ by more than case")


def check(scope: Scope) -> Iterator[Finding]:
    """Looks at the names of models, versions, evidence, stages and aliases."""
    yield from _models(scope)
    yield from _evidence(scope)
    for model in scope.models:
        yield from _versions(scope, model)
        yield from _pointers(scope, model)


def _models(scope: Scope) -> Iterator[Finding]:
    layout, concerned = scope.snapshot.layout, set(scope.models)
    for name in scope.models:
        problem = model_name_problem(name)
        if problem:
            yield RULE.finding(f"{name!r} cannot name a model: {problem}", layout.model(name))
    if not scope.is_whole and _are_alone(concerned, scope.snapshot.tree.list(layout.models)):
        return
    for one, other in _colliding(scope.snapshot.model_folders()):
        if concerned & {one, other}:
            yield RULE.finding(
                f"{one!r} and {other!r} are the same name but for case or width",
                layout.model(other),
                "rename one",
            )


def _are_alone(concerned: Iterable[str], folders: Iterable[str]) -> bool:
    """Whether for certain no other folder is called like these: in names of ASCII only case is folded away."""
    text = "//".join(folders)  # two slashes, as neighbours that share one would count once
    if not text.isascii():
        return False
    lowered = f"/{text.lower()}/"
    return all(lowered.count(f"/{name.lower()}/") == 1 for name in concerned)


def _versions(scope: Scope, model: str) -> Iterator[Finding]:
    layout = scope.snapshot.layout
    for folder in scope.version_folders(model):
        if parse_version(folder) is None:
            yield RULE.finding(
                f"{folder!r} is neither a number nor a SemVer version", layout.version(model, folder)
            )
    if scope.is_whole or any("-" in folder for folder in scope.version_folders(model)):
        for one, other in _colliding(scope.snapshot.version_folders(model)):
            yield RULE.finding(
                f"{one!r} and {other!r} are the same version but for case", layout.version(model, other)
            )


def _evidence(scope: Scope) -> Iterator[Finding]:
    """Evidence lies in files, so its names must suit every file system, too."""
    names: dict[str, list[str]] = {}
    for _, place in scope.files:
        if place.kind == "Evidence":
            names.setdefault(place.path.rpartition("/")[0], []).append(place.name)
            problem = model_name_problem(place.name)
            if problem:
                yield RULE.finding(f"{place.name!r} cannot name evidence: {problem}", place.path)
    for folder, stems in names.items():
        for one, other in _colliding(stems):
            yield RULE.finding(
                f"{one!r} and {other!r} are the same name but for case", f"{folder}/{other}.yaml"
            )


def _pointers(scope: Scope, model: str) -> Iterator[Finding]:
    tree, layout = scope.snapshot.tree, scope.snapshot.layout
    names: dict[str, list[str]] = {}
    for folder in ("stages", "aliases"):
        files = tree.list(layout.model(model, folder))
        names[folder] = [file.removesuffix(".yaml") for file in files if file.endswith(".yaml")]
        for name in names[folder]:
            problem = pointer_name_problem(name)
            if problem:
                yield RULE.finding(
                    f"{name!r} is not allowed here: {problem}", layout.model(model, f"{folder}/{name}.yaml")
                )
        for one, other in _colliding(names[folder]):
            path = layout.model(model, f"{folder}/{other}.yaml")
            yield RULE.finding(f"{one!r} and {other!r} are the same name but for case", path)
    stages = {n.lower() for n in names["stages"]} | {
        n.lower() for n in (scope.policy.stage_names if scope.policy else ())
    }
    for alias in names["aliases"]:
        if alias.lower() in stages:
            yield RULE.finding(f"the alias {alias!r} bears the name of a stage", layout.alias(model, alias))


def _colliding(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    seen: dict[str, str] = {}
    for name in sorted(names):
        other = seen.setdefault(fold(name), name)
        if other != name:
            yield other, name


NAMES = SnapshotRule(RULE, check)
