"""The central property: plans lead from one valid registry to the next, and what no plan does is found.

A machine applies random plans, one after another, to the base registry, under several policies. After each one the
whole registry must be valid, and the change must pass every rule that does not depend on approvals, gates and bytes.
On the way it tampers with what it has, by hand: each such edit must be found, and must not become part of the registry.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from registry_kit import NOW, SCHEMAS, World, base_files, shown, verdict

from gitreg.core.codec.edit import REMOVE, edit_yaml
from gitreg.core.codec.schema import Schemas
from gitreg.core.delta import delta, kinds
from gitreg.core.findings import Finding, Outcome
from gitreg.core.layout import Sort
from gitreg.core.manifest import StageAssignment
from gitreg.core.names import NONE, Version
from gitreg.core.plan.alias import plan_clear_alias, plan_set_alias
from gitreg.core.plan.annotate import plan_annotate, plan_edit_model
from gitreg.core.plan.delete import plan_delete_model, plan_delete_version
from gitreg.core.plan.evidence import NewEvidence, plan_evidence, plan_retract
from gitreg.core.plan.imports import ImportedModel, ImportedVersion, plan_import
from gitreg.core.plan.plan import NothingToDo, Plan
from gitreg.core.plan.register import NewModel, Registration, plan_model, plan_register
from gitreg.core.plan.rename import plan_rename
from gitreg.core.plan.transition import plan_demote, plan_promote, plan_rollback
from gitreg.core.ports import DvcPointer, Identity
from gitreg.core.record import Artifact, CopiedFrom, ImportedFrom
from gitreg.core.snapshot import ParseCache, Snapshot
from gitreg.core.tree import MemoryTree, raw_changes
from gitreg.core.verify.engine import validate
from gitreg.errors import GitregError, NotFound, Refused, UsageError

SAME_SCHEMAS = Schemas({path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.schema.json")})
DAN = Identity("Dan", "dan@example.com")
STAGES = ["staging", "production", "archived"]
FRESH = ["sandbox-a", "sandbox-b", "売上予測", "Fraud", "v2 of it"]
DEAD = ["churn", "credit-scoring", "nobody"]
ALIASES = ["champion", "Champion", "shadow", "Staging", "latest"]

#: Other shapes of policy, as edits of the base's.
POLICIES: dict[str, dict[str, str]] = {
    "as it is": {},
    "bounded": {
        "    from: [none, archived]\n": "    from: [none, archived]\n    holds: 2\n    replaced: archived\n",
        "    from: [none, staging, production]\n": "    from: [none, staging, production]\n    holds: 2\n",
        "    holds: 1\n": "    holds: 2\n",
        "{production: {soak: null, approvals: null}}": "{production: {holds: 1, soak: null, approvals: null}}",
    },
    "turning": {
        "    approvals: [{group: risk-owners, count: 1, expire: 14d}]\n": "",
        "    replaced: archived\n": "    replaced: staging\n",
        "    from: [staging]\n": "    from: [staging, archived]\n",
        "  - name: archived\n    from: [none, staging, production]\n": (
            "  - {name: archived, from: [staging], holds: 1, replaced: production}\n"
            "  - {name: none, from: [archived, staging]}\n"
        ),
    },
}


def is_structure_or_way(finding: Finding) -> bool:
    """Whether a rule is the registry's own: gates, approvals and bytes are another matter."""
    is_own = finding.rule[:3] in {"GR1", "GR2"} or finding.rule in {"GR301", "GR307"}
    return is_own and finding.outcome is not Outcome.WARNING


def digest(seed: int) -> str:
    return f"sha256:{seed:064x}"


def _imported(
    number: Version, seed: int, stage: str | None, aliases: list[str], format: str
) -> ImportedVersion:
    registration = Registration(
        "there",
        Artifact("model.onnx", digest(seed), 10 + seed, 1, format),
        DvcPointer("model.onnx", f"{seed:032x}", 10 + seed, 1),
        DAN,
        NOW,
        imported_from=ImportedFrom("mlflow", "https://mlflow.example.com", "there", str(number)),
    )
    return ImportedVersion(number, registration, stage, tuple(aliases))


class Registry(RuleBasedStateMachine):
    """A registry that only grows by plans."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: ParseCache = {}
        self.files = base_files()
        self.ever: dict[tuple[str, Version], str] = {}
        self.changed = True

    @initialize(policy=st.sampled_from(sorted(POLICIES)))
    def under(self, policy: str) -> None:
        text = self.files["policy.yaml"].decode()
        for old, new in POLICIES[policy].items():
            assert text.count(old) == 1
            text = text.replace(old, new)
        self.files["policy.yaml"] = text.encode()

    # Reading

    @property
    def now(self) -> Snapshot:
        return self.at(self.files)

    def at(self, files: dict[str, bytes]) -> Snapshot:
        return Snapshot(MemoryTree(files), "", None, self.cache)

    def findings(self, head: dict[str, bytes]) -> list[Finding]:
        return [f for f in verdict(self.now, self.at(head), SAME_SCHEMAS, World()) if is_structure_or_way(f)]

    def kinds(self, head: dict[str, bytes]) -> list[str]:
        after = self.at(head)
        found = delta(self.now, after, tuple(raw_changes(self.now.tree, after.tree)))
        return kinds(found, self.now.policy())

    def a_model(self, data: st.DataObject) -> str:
        """Mostly one that has versions."""
        full = [name for name in self.now.models() if self.now.versions(name)]
        return data.draw(st.sampled_from([*full * 4, *self.now.models(), *DEAD]), "model")

    def a_version(self, data: st.DataObject, model: str) -> Version:
        """Mostly one that is not deleted."""
        living = self.now.versions(model)
        return data.draw(st.sampled_from([*living * 4, *self.now.numbers(model), 9, "9.0.0-RC"]), "version")

    def a_stage(self, data: st.DataObject, model: str, version: Version) -> str:
        """Mostly one that policy lets the version enter."""
        source = self.now.stage_of(model, version)
        found = {name: self.now.policy().stage(name, model) for name in STAGES}
        allowed = [n for n, s in found.items() if s and (s.sources is None or source in s.sources)]
        return data.draw(st.sampled_from([*allowed * 4, *STAGES]), "stage")

    # Plans

    def apply(self, make: Callable[[Snapshot], Plan]) -> None:
        """Applies a plan that does not refuse, and looks at the way and at where it led."""
        try:
            plan = make(self.now)
        except (NothingToDo, NotFound, Refused, UsageError):
            return
        assert plan.edits, plan.title
        head = self.edited(plan.edits)
        assert head != self.files, plan.title
        assert shown(self.findings(head)) == [], plan.title
        found = self.kinds(head)
        assert ("import" in found) == (plan.kind == "import"), plan.title
        assert plan.kind != "import" or found == ["import"], plan.title
        assert plan.kind in {*found, "promote", "demote", "rollback"}, plan.title
        self.files, self.changed = head, True

    def edited(self, edits: Any) -> dict[str, bytes]:
        found = {**self.files, **edits}
        return {path: content for path, content in found.items() if content is not None}

    @invariant()
    def the_whole_registry_is_valid(self) -> None:
        if self.changed:
            assert shown(validate(self.now, SAME_SCHEMAS)) == []

    @invariant()
    def a_name_and_version_always_mean_the_same_bytes(self) -> None:
        if not self.changed:
            return
        for model in self.now.models():
            for version in self.now.versions(model):
                record = self.now.record(model, version)
                assert record is not None
                assert (
                    self.ever.setdefault((model, version), record.artifact.digest) == record.artifact.digest
                )
        self.changed = False

    @rule(data=st.data(), archive=st.sampled_from([None, True, False]))
    def promote(self, data: st.DataObject, archive: bool | None) -> None:
        model = self.a_model(data)
        version = self.a_version(data, model)
        stage = self.a_stage(data, model, version)
        self.apply(lambda now: plan_promote(now, model, version, stage, archive_existing=archive))

    @rule(data=st.data(), goal=st.sampled_from([None, NONE, *STAGES]))
    def demote(self, data: st.DataObject, goal: str | None) -> None:
        model = self.a_model(data)
        version = self.a_version(data, model)
        self.apply(lambda now: plan_demote(now, model, version, goal))

    @rule(data=st.data(), stage=st.sampled_from(STAGES))
    def roll_back(self, data: st.DataObject, stage: str) -> None:
        model = self.a_model(data)
        self.apply(lambda now: plan_rollback(now, model, stage))

    @rule(data=st.data(), alias=st.sampled_from(ALIASES))
    def set_alias(self, data: st.DataObject, alias: str) -> None:
        model = self.a_model(data)
        version = self.a_version(data, model)
        self.apply(lambda now: plan_set_alias(now, model, alias, version))

    @rule(data=st.data(), alias=st.sampled_from(ALIASES))
    def clear_alias(self, data: st.DataObject, alias: str) -> None:
        model = self.a_model(data)
        self.apply(lambda now: plan_clear_alias(now, model, alias))

    @rule(
        data=st.data(),
        seed=st.integers(1, 60),
        version=st.sampled_from([None, None, None, "1.0.0", "1.1.0-rc.1", "1.1.0-RC.1", "2.0.0", "one"]),
        create=st.sampled_from(
            [None, NewModel(), NewModel(), NewModel(scheme="semver", tags={"team": "risk"})]
        ),
        origin=st.sampled_from([None, None, "here", "gone", "elsewhere"]),
        again=st.booleans(),
        card=st.booleans(),
    )
    def register(
        self,
        data: st.DataObject,
        seed: int,
        version: str | None,
        create: NewModel | None,
        origin: str | None,
        again: bool,
        card: bool,
    ) -> None:
        full = [name for name in self.now.models() if self.now.versions(name)]
        model = data.draw(st.sampled_from([*full * 3, *self.now.model_folders(), *FRESH, "CON", "CHURN"]))
        copied = self.an_origin(data, origin, seed) if origin else None
        asked = Registration(
            model,
            Artifact("model.onnx", copied.digest if copied else digest(seed), 10 + seed, 1, "onnx"),
            DvcPointer("model.onnx", f"{seed:032x}", 10 + seed, 1),
            DAN,
            NOW,
            "again" if again else None,
            version=version,
            create=create,
            metrics={"roc_auc": 0.9},
            copied_from=copied,
            card={"intended_use": "loans"} if card else {},
        )
        self.apply(lambda now: plan_register(now, asked))

    def an_origin(self, data: st.DataObject, where: str, seed: int) -> CopiedFrom:
        """A version of this registry, one that it does not have (with these bytes), or one of another registry."""
        if where == "elsewhere":
            return CopiedFrom("7f0c2a3e-5b1d-4c8e-9a44-0d6f3a1b2c5d", "other", 7, digest(seed))
        model = self.a_model(data)
        version = self.a_version(data, model)
        record = self.now.record(model, version)
        found = record.artifact.digest if record and where == "here" else digest(seed)
        return CopiedFrom(self.now.registry().id, model, version, found)

    @rule(
        data=st.data(),
        versions=st.lists(
            st.tuples(
                st.sampled_from([1, 2, 3, 4, 7, 9, 12, "1.0.0", "2.0.0-rc.1"]),
                st.integers(1, 60),
                st.sampled_from([None, "Staging", "Production", "archived", "None", "Shadow"]),
                st.lists(st.sampled_from([*ALIASES, "next", "v2"]), max_size=2),
                st.sampled_from(["onnx", "mlflow", "pickle"]),
            ),
            max_size=4,
        ),
        scheme=st.sampled_from(["integer", "integer", "semver"]),
    )
    def import_model(self, data: st.DataObject, versions: list[Any], scheme: str) -> None:
        name = data.draw(st.sampled_from([*self.now.models(), *FRESH, *DEAD, "a/b"]))
        asked = ImportedModel(name, NewModel(scheme=scheme), tuple(_imported(*each) for each in versions))
        self.apply(lambda now: plan_import(now, asked))

    @rule(name=st.sampled_from([*FRESH, *DEAD]), scheme=st.sampled_from([None, "semver"]))
    def new_model(self, name: str, scheme: str | None) -> None:
        self.apply(lambda now: plan_model(now, name, NewModel(title="New", scheme=scheme)))

    @rule(
        data=st.data(),
        key=st.sampled_from(
            ["description", "tags.team", "card.intended_use", "deprecated.reason", "version"]
        ),
        value=st.sampled_from(["loans", "", "no", "two\nlines", "x" * 20_000, 3, REMOVE]),
    )
    def annotate(self, data: st.DataObject, key: str, value: object) -> None:
        model = self.a_model(data)
        version = self.a_version(data, model)
        edits = {tuple(key.split(".")): value}
        self.apply(lambda now: plan_annotate(now, model, version, edits))

    @rule(
        data=st.data(),
        key=st.sampled_from(["title", "owners", "tags.team", "versions", "task"]),
        value=st.sampled_from(["text", ["bo"], None, "semver", "integer", REMOVE]),
    )
    def edit_model(self, data: st.DataObject, key: str, value: object) -> None:
        model = data.draw(st.sampled_from(self.now.models()))
        self.apply(lambda now: plan_edit_model(now, model, {tuple(key.split(".")): value}))

    @rule(
        data=st.data(),
        name=st.sampled_from(["holdout", "Holdout", "shadow-test", "aux", "no/path"]),
        metrics=st.sampled_from([{"brier": 0.1}, {}, {"brier": float("nan")}]),
    )
    def add_evidence(self, data: st.DataObject, name: str, metrics: dict[str, float]) -> None:
        model = self.a_model(data)
        version = self.a_version(data, model)
        new = NewEvidence(name, "holdout", digest(0), metrics, DAN, NOW)
        self.apply(lambda now: plan_evidence(now, model, version, new))

    @rule(data=st.data(), name=st.sampled_from(["holdout", "Holdout", "shadow-test"]))
    def retract(self, data: st.DataObject, name: str) -> None:
        model = self.a_model(data)
        version = self.a_version(data, model)
        self.apply(lambda now: plan_retract(now, model, version, name, "leaked", DAN, NOW))

    @rule(data=st.data(), reason=st.sampled_from([None, "leaked", "x" * 6000]), clear=st.booleans())
    def delete_version(self, data: st.DataObject, reason: str | None, clear: bool) -> None:
        model = self.a_model(data)
        version = self.a_version(data, model)
        self.apply(lambda now: plan_delete_version(now, model, version, reason, NOW, clear_aliases=clear))

    @rule(data=st.data())
    def delete_model(self, data: st.DataObject) -> None:
        model = self.a_model(data)
        self.apply(lambda now: plan_delete_model(now, model, None, NOW))

    @rule(data=st.data())
    def rename(self, data: st.DataObject) -> None:
        model = self.a_model(data)
        to = data.draw(st.sampled_from([*FRESH, *self.now.model_folders(), "Credit-Risk", "credit risk"]))
        self.apply(lambda now: plan_rename(now, model, to, NOW))

    # Edits by hand, each of which must be found

    def must_be_found(self, head: dict[str, bytes]) -> None:
        if head != self.files:
            assert self.findings(head), "nobody noticed"

    def a_path(self, data: st.DataObject, *sorts: Sort) -> str:
        place = self.now.layout.place
        return data.draw(st.sampled_from(sorted(p for p in self.files if place(p).sort in sorts)), "path")

    @rule(data=st.data(), where=st.floats(0, 1), byte=st.sampled_from([b"", b" ", b"#", b"9", b"\n"]))
    def edit_what_stays(self, data: st.DataObject, where: float, byte: bytes) -> None:
        path = self.a_path(data, Sort.RECORD, Sort.MARKER)
        old = self.files[path]
        at = int(where * (len(old) - 1))
        self.must_be_found({**self.files, path: old[:at] + byte + old[at + 1 :]})

    @rule(data=st.data())
    def remove_what_stays(self, data: st.DataObject) -> None:
        path = self.a_path(data, Sort.RECORD, Sort.MARKER, Sort.POINTER)
        self.must_be_found({p: content for p, content in self.files.items() if p != path})

    @rule(data=st.data(), serial=st.integers(-1, 3))
    def edit_a_pointer_without_moving_it(self, data: st.DataObject, serial: int) -> None:
        path = self.a_path(data, Sort.POINTER)
        old = self.now.manifest(self.now.layout.place(path).kind or "", path)
        edits = {("serial",): getattr(old, "serial", 0) + serial}
        if isinstance(old, StageAssignment) and data.draw(st.booleans()):
            edits[("previous",)] = [pin.as_yaml() for pin in old.versions]  # type: ignore[assignment]
        self.must_be_found({**self.files, path: edit_yaml(self.files[path], edits)})

    @rule(
        name=st.sampled_from(
            [
                "notes.txt",
                "models.md",
                "new/x",
                "fraud/x.yaml",
                "fraud/versions/x",
                "fraud/versions/01/version.yaml",
                "fraud/aliases/x",
                "fraud/stages/x.yaml/y",
                "fraud/stages/1.yaml",
                "fraud/versions/1.0.0/model.onnx",
                "fraud/versions/1.0.0/evidence/x.yaml/y",
                "fraud/versions/1.0.0/evidence/x.txt",
            ]
        )
    )
    def add_an_unknown_file(self, name: str) -> None:
        self.must_be_found({**self.files, f"models/{name}": b"apiVersion: gitreg/v1\n"})

    @rule(data=st.data(), step=st.integers(2, 40), lower=st.booleans())
    def take_a_number_by_hand(self, data: st.DataObject, step: int, lower: bool) -> None:
        """Any number but the next one is an import, unless it was used before, which is not allowed at all."""
        model = self.a_model(data)
        living = [version for version in self.now.versions(model) if isinstance(version, int)]
        if not living:
            return
        old = self.now.layout.version(model, living[-1], "")
        number = max(1, self.now.top_number(model) + (-step if lower else step))
        new = self.now.layout.version(model, number, "")
        copied = {new + path[len(old) :]: text for path, text in self.files.items() if path.startswith(old)}
        head = self.files | {
            path: edit_yaml(text, {("version",): number}) if path.endswith(".yaml") else text
            for path, text in copied.items()
        }
        assert "import" in self.kinds(head) or any(f.rule in {"GR202", "GR206"} for f in self.findings(head))

    @rule(data=st.data(), goal=st.sampled_from([NONE, *STAGES]))
    def move_by_hand_what_policy_does_not_move(self, data: st.DataObject, goal: str) -> None:
        model = data.draw(st.sampled_from(self.now.models()))
        if not self.now.versions(model):
            return
        version = data.draw(st.sampled_from(self.now.versions(model)))
        source = self.now.stage_of(model, version)
        settings = self.now.policy().stage(goal, model)
        assert settings is not None
        assignment = self.now.stage(model, goal)
        restored = {p.version for p in assignment.previous} if assignment else set()
        if source == goal or settings.sources is None or source in settings.sources or restored == {version}:
            return
        found = self.findings(self.moved(model, version, source, goal))
        assert any(f.rule == "GR301" for f in found), shown(found)

    def moved(self, model: str, version: Version, source: str, target: str) -> dict[str, bytes]:
        """The stage files as a plan would write them, were the move allowed."""
        pin = self.now.demand_record(model, version).pin
        head = dict(self.files)
        for stage in {source, target} - {NONE}:
            old = self.now.stage(model, stage) or StageAssignment(model, stage, 0)
            stay = tuple(each for each in old.versions if each.version != version)
            versions = (*stay, pin) if stage == target else stay
            new = replace(old, serial=old.serial + 1, versions=versions, previous=old.versions)
            head[self.now.layout.stage(model, stage)] = json.dumps(new.as_yaml(), indent=1).encode()
        return head

    @rule(data=st.data(), wrong=st.sampled_from(["serial", "previous", "digest"]))
    def move_with_a_lie(self, data: st.DataObject, wrong: str) -> None:
        """A promotion as planned, but for one key."""
        model = data.draw(st.sampled_from(self.now.models()))
        for version in self.now.versions(model):
            try:
                plan = plan_promote(self.now, model, version, "staging")
            except GitregError:
                continue
            path = self.now.layout.stage(model, "staging")
            value: Any = json.loads(
                json.dumps(self.at(self.edited(plan.edits)).stage(model, "staging").as_yaml())
            )  # type: ignore[union-attr]
            if wrong == "serial":
                value["serial"] += data.draw(st.sampled_from([-1, 1, 100]))
            elif wrong == "previous":
                value["previous"] = [*value["previous"], value["versions"][-1]]
            else:
                value["versions"][-1]["digest"] = digest(99)
            self.must_be_found(self.edited({**plan.edits, path: json.dumps(value).encode()}))
            return

    @rule(data=st.data(), count=st.integers(1, 3))
    def edit_anything(self, data: st.DataObject, count: int) -> None:
        """Whatever the judgement of the change lets pass leaves a valid registry, though it looks at a part alone."""
        paths = sorted(self.files)
        head = dict(self.files)
        for _ in range(count):
            path = data.draw(st.sampled_from(paths), "path")
            other = data.draw(st.sampled_from(paths), "other")
            match data.draw(st.sampled_from(["remove", "overwrite", "move"]), "edit"):
                case "remove":
                    head.pop(path, None)
                case "overwrite":
                    head[other] = self.files[path]
                case _:
                    head.pop(path, None)
                    new = f"{path.rpartition('/')[0]}/{other.rpartition('/')[2]}".removeprefix("/")
                    head[new] = self.files[path]
        if validate(self.at(head), SAME_SCHEMAS):
            self.must_be_found(head)


TestRegistry = Registry.TestCase
TestRegistry.settings = settings(max_examples=70, stateful_step_count=25, deadline=None, derandomize=True)
