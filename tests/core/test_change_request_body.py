"""The text of a change request: what it shows of each kind of change, and what hostile content cannot do in it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from gitreg.core.codec.schema import Schemas
from gitreg.core.names import Version
from gitreg.core.plan.alias import plan_clear_alias
from gitreg.core.plan.annotate import plan_edit_model
from gitreg.core.plan.delete import plan_delete_model, plan_delete_version
from gitreg.core.plan.evidence import plan_retract
from gitreg.core.plan.register import NewModel
from gitreg.core.plan.rename import plan_rename
from gitreg.core.plan.transition import plan_demote, plan_promote, plan_rollback
from gitreg.core.ports import Identity
from gitreg.core.record import Artifact, CopiedFrom
from gitreg.core.report.change_request import MOST_CHARACTERS, change_request_body, verdict_body
from gitreg.core.snapshot import Snapshot
from gitreg.core.verify.engine import evaluate
from gitreg.core.verify.evidence import Unknown
from tests.core.report_kit import (
    ALICE,
    CREATED,
    POLICY,
    after,
    annotated,
    change,
    credit_risk,
    digest,
    empty,
    laid,
    register,
    with_evidence,
)
from tests.core.test_report_markdown import HOSTILE, ORDERS, RENDERER

BASE = credit_risk()


def body(head: Snapshot, schemas: Schemas, base: Snapshot = BASE, **world: object) -> str:
    return change_request_body(change(base, head, schemas, **world))


def promoted(version: Version = 3, stage: str = "production", base: Snapshot = BASE) -> Snapshot:
    return after(base, plan_promote(base, "credit-risk", version, stage))


class TestPromotion:
    def test_shows_what_moves_with_full_digests(self, schemas: Schemas) -> None:
        text = body(promoted(), schemas)
        assert (
            "| `credit-risk` | `3` | `staging` | `production` |  | `sha256:000000000000…` | 1.0 MiB | `onnx`"
            " | `Alice`, 2026-11-20 |" in text
        )
        assert "| `credit-risk` | `2` | `production` | `archived` | gives way |" in text
        assert f"- `credit-risk/3` is `{digest(3)}`" in text

    def test_compares_with_the_holder_and_says_which_way_is_better(self, schemas: Schemas) -> None:
        lines = body(promoted(), schemas).splitlines()
        assert "### `credit-risk/3` against `credit-risk/2`, the version in `production` so far" in lines
        assert "| `roc_auc` | 0.945 | 0.94 | +0.005 | +0.53% | ▲ better |" in lines
        assert "| `log_loss` | 0.35 | 0.3 | +0.05 | +16.67% | ▼ worse |" in lines
        assert "| `accuracy` | 0.9 | 0.9 |  |  | = |" in lines
        assert "| `recall` | 0.8 |  |  |  |  |" in lines
        assert "- signature: `inputs.income` removed (`number`); `inputs.debt` added (`number`)" in lines
        assert "- environment: `numpy` `==2.4.5` → `==2.4.6`" in lines
        assert "- params: `depth` `3` → `4`" in lines

    def test_without_a_holder_shows_the_record(self, schemas: Schemas) -> None:
        base = register(empty(), "fresh", 1, metrics={"roc_auc": 0.9})
        text = body(after(base, plan_promote(base, "fresh", 1, "staging")), schemas, base)
        assert "Nothing to compare with: the stage holds no version." in text
        assert "- metrics: `roc_auc = 0.9`" in text
        assert "- undo, once it has landed: `gitreg demote fresh/1`" in text

    def test_has_a_checklist_of_what_is_shown_and_what_is_not(self, schemas: Schemas) -> None:
        world = {"approvals": (), "soaked": Unknown("the clone is shallow")}
        lines = body(promoted(), schemas, **world).splitlines()
        assert "- [x] `roc_auc is 0.945 (≥ 0.85); version 2 has 0.94` (GR302)" in lines
        assert any(line.startswith("- [ ] **unknown:**") and "shallow" in line for line in lines)
        assert any(
            line.startswith("- [ ] **not met:** `entering production needs 1 approval") for line in lines
        )

    def test_says_how_to_judge_compare_and_undo_it(self, schemas: Schemas) -> None:
        lines = body(promoted(), schemas).splitlines()
        assert "- compare: `gitreg version compare credit-risk/2 credit-risk/3`" in lines
        assert "- undo, once it has landed: `gitreg rollback credit-risk --stage production`" in lines
        assert any("`gitreg verify N`" in line for line in lines)

    def test_says_how_to_make_the_same_change_and_read_the_bytes(self, schemas: Schemas) -> None:
        lines = body(promoted(), schemas).splitlines()
        assert "- make the same change: `gitreg promote credit-risk/3 --to production`" in lines
        assert (
            "- read its bytes, each checked against the digest: `gitreg pull credit-risk/3 candidate`"
            in lines
        )
        lines = body(after(BASE, plan_demote(BASE, "credit-risk", 2)), schemas).splitlines()
        assert "- make the same change: `gitreg demote credit-risk/2 --to archived`" in lines

    def test_lists_findings_where_there_are_any_to_list(self, schemas: Schemas) -> None:
        judged = change(BASE, promoted(), schemas, approvals=())
        assert "### Findings" not in change_request_body(judged)
        text = change_request_body(judged, evaluate(judged))
        assert "- GR401 `entering production needs 1 approval of risk-owners, and has 0` →" in text
        assert "Nothing to complain about." in change_request_body(judged, [])


class TestOtherMoves:
    def test_a_rollback_compares_what_is_restored(self, schemas: Schemas) -> None:
        text = body(after(BASE, plan_rollback(BASE, "credit-risk", "production")), schemas)
        assert "| `credit-risk` | `1` | `archived` | `production` | rollback |" in text
        assert "### `credit-risk/1` against `credit-risk/2`" in text
        assert "### `credit-risk/2` against" not in text
        assert "restores what production held before its last change" in text

    def test_a_demotion_says_what_it_leaves_empty(self, schemas: Schemas) -> None:
        text = body(after(BASE, plan_demote(BASE, "credit-risk", 2)), schemas)
        assert "- `production` of `credit-risk` then holds no version" in text
        assert " against " not in text
        assert "- undo, once it has landed: `gitreg rollback credit-risk --stage production`" in text


class TestRegistration:
    def test_shows_the_record(self, schemas: Schemas) -> None:
        head = register(
            BASE,
            "credit-risk",
            9,
            metrics={"roc_auc": 0.96},
            params={"depth": 5, "scaled": True},
            source={"commit": "a1b2c3d", "data": [{"name": "train", "digest": digest(79)}]},
            environment={"python": "3.12", "requirements": ["numpy==2.4.6"]},
            description="Trained on the third quarter.",
        )
        lines = body(head, schemas).splitlines()
        assert "### Registers `credit-risk/5`" in lines
        assert "- `model.onnx`, 1.0 MiB, format `onnx`" in lines
        assert f"- digest `{digest(9)}`" in lines
        assert "- registered by `Alice`, 2026-11-20 10:00 UTC" in lines
        assert "- metrics: `roc_auc = 0.96`" in lines
        assert "- params: `depth = 5`, `scaled = true`" in lines
        assert "- source: `commit = a1b2c3d`, `data.train = " in "\n".join(lines)
        assert "- environment: `python 3.12`, `numpy==2.4.6`" in lines
        assert "- notes: `description = Trained on the third quarter.`" in lines

    def test_of_a_copy_says_where_it_comes_from(self, schemas: Schemas) -> None:
        origin = CopiedFrom(BASE.registry().id, "credit-risk", 3, digest(3))
        text = body(register(BASE, "credit-risk", 3, copied_from=origin, nonce="again"), schemas)
        assert "### Copies `credit-risk/5`" in text
        assert "- copied from `credit-risk/3` of this registry" in text

    def test_of_a_copy_from_elsewhere_tells_only_what_it_says_of_itself(self, schemas: Schemas) -> None:
        origin = CopiedFrom("5a4d1c1e-8f0b-4d3f-8f60-3f8d5d0a7b21", "scoring", 7, digest(9))
        text = body(register(BASE, "credit-risk", 9, copied_from=origin), schemas)
        assert "### Registers `credit-risk/5`" in text
        assert "- says that it was copied from `scoring/7` of the registry `5a4d1c1e-" in text

    def test_of_a_new_model_says_what_it_is(self, schemas: Schemas) -> None:
        head = register(BASE, "売上予測モデル", 9, create=NewModel(title="Sales", owners=("dan",)))
        text = body(head, schemas)
        assert "- makes the model `売上予測モデル`: `title = Sales`, `owners = dan`" in text

    def test_describes_five_and_names_the_rest(self, schemas: Schemas) -> None:
        head = BASE
        for number in range(10, 17):
            head = register(head, "credit-risk", number)
        text = body(head, schemas)
        assert text.count("### Registers") == 5
        assert "… and registers `credit-risk/8`, `credit-risk/9`" in text


def retraction() -> tuple[Snapshot, Snapshot]:
    base = with_evidence(BASE, 3, {"roc_auc": 0.9})
    return base, after(base, plan_retract(base, "credit-risk", 3, "holdout", "leaked", ALICE, CREATED))


def files(edits: dict[str, bytes | None], base: Snapshot = BASE) -> Snapshot:
    return laid(base, edits)


RECORD = "models/credit-risk/versions/3/version.yaml"
DELETABLE = register(empty(), "old", 1)
CASES = [
    (BASE, after(BASE, plan_clear_alias(BASE, "credit-risk", "champion")),
     "- alias `champion` of `credit-risk`: `version 2 (sha256:000000000000…)` → `nothing`"),
    (BASE, annotated(BASE, 3, {("description",): "Better.", ("tags", "a"): "b"}),
     "- edits the notes of `credit-risk/3`: `description` added (`Better.`); `tags.a` added (`b`)"),
    (BASE, after(BASE, plan_edit_model(BASE, "credit-risk", {("task",): "ranking"})),
     "- edits `credit-risk`: `task` `classification` → `ranking`"),
    (BASE, with_evidence(BASE, 3, {"roc_auc": 0.9}),
     "- adds the evidence `holdout` of `credit-risk/3`, on `holdout-2026`: `roc_auc = 0.9`"),
    (*retraction(), "- **retracts** the evidence `holdout` of `credit-risk/3`"),
    (BASE, after(BASE, plan_delete_version(BASE, "credit-risk", 4, "wrong data", CREATED)),
     "- **deletes** `credit-risk/4`: `wrong data`"),
    (DELETABLE, after(DELETABLE, plan_delete_model(DELETABLE, "old", None, CREATED)),
     "- **deletes** the model `old` with 1 versions"),
    (BASE, after(BASE, plan_rename(BASE, "credit-risk", "Kreditrisiko", CREATED)),
     "- **renames** `credit-risk` to `Kreditrisiko`"),
    (BASE, files({"policy.yaml": POLICY + b"# more\n"}), "- **changes the rules** in `policy.yaml`"),
    (BASE, files({"README.md": b"x"}), "- changes `README.md`, which is no part of the registry"),
    (BASE, files({"models/credit-risk/notes.txt": b"x"}), "- ⚠ adds or edits `models/credit-risk/notes.txt`"),
    (BASE, files({RECORD: None}), f"- ⚠ removes the record `{RECORD}`"),
    (BASE, files({"models/credit-risk/stages/staging.yaml": None}), "- ⚠ removes the pointer"),
    (BASE, files({"models/credit-risk/model.yaml": None}), "- ⚠ edits or removes `models/credit-risk/model.yaml`"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "head", "line"), CASES, ids=[line[:40] for _, _, line in CASES])
def test_every_other_change_has_a_line(base: Snapshot, head: Snapshot, line: str, schemas: Schemas) -> None:
    assert any(shown.startswith(line) for shown in body(head, schemas, base).splitlines())


def test_a_record_that_cannot_be_read_is_said_to_be_so(schemas: Schemas) -> None:
    head = files({"models/credit-risk/versions/9/version.yaml": b"a: &b 1\n"})
    assert "- its record cannot be read" in body(head, schemas)


def hostile_names(count: int) -> dict[str, float]:
    return {f"{text[:200]} {n}": float(n) for n, text in enumerate((HOSTILE * count)[:count])}


class TestHostileContent:
    """One body with hostile text in every place that admits any."""

    @pytest.fixture(scope="class")
    @staticmethod
    def text(schemas: Schemas) -> str:
        bodies: list[str] = []
        head = BASE
        for number, evil in enumerate((text for text in HOSTILE if text.isprintable() and text), 100):
            base, head = head, _registered(head, number, evil)
            bodies.append(body(head, schemas, base))
            base, head = head, annotated(head, 3, {("tags", evil): evil})
            bodies.append(body(head, schemas, base))
            promotion = promoted(head.versions("credit-risk")[-1], "staging", head)
            bodies.append(body(promotion, schemas, head))
        return "\n\n".join(bodies)

    def test_is_only_ever_text(self, text: str) -> None:
        for token in RENDERER.parse(text):
            assert token.type != "html_block"
            for child in token.children or ():
                if child.type == "html_inline":
                    assert child.content in {"<code>", "</code>"}
                assert child.type not in {"link_open", "image"}

    def test_orders_nothing(self, text: str) -> None:
        assert not ORDERS.search(text)

    def test_breaks_no_table(self, text: str) -> None:
        for block in re.split(r"\n\n+", text):
            if block.startswith("|"):
                assert len({line.count("|") for line in block.splitlines()}) == 1

    def test_sends_nothing_to_a_terminal(self, text: str) -> None:
        assert all(line.isprintable() for line in text.split("\n"))


def _registered(base: Snapshot, number: int, evil: str) -> Snapshot:
    return register(
        base,
        "credit-risk",
        number,
        created_by=Identity(evil, "x"),
        metrics={f"{evil} m": 1.0},
        params={evil: evil},
        source={"run": {"id": evil, "url": evil}, "data": [{"name": evil, "digest": evil}]},
        environment={"python": evil, "requirements": [evil]},
        signature={"inputs": {"properties": {evil: {"type": evil}}}},
        description=evil,
        tags={evil: evil},
    )


class TestSize:
    def test_long_tables_are_cut(self, schemas: Schemas) -> None:
        base = register(BASE, "credit-risk", 9, metrics=hostile_names(300))
        text = body(promoted(5, "staging", base), schemas, base)
        assert "… and 2" in text
        assert len(text) <= MOST_CHARACTERS + 100

    def test_many_moves_are_cut(self, schemas: Schemas) -> None:
        base = empty()
        wide = Artifact("model.onnx", digest(1), 1, 1, "onnx")
        for number in range(1, 60):
            artifact = replace(wide, digest=digest(number))
            base = register(base, "wide", number, artifact=artifact, metrics=hostile_names(150))
        head = base
        for version in range(1, 60):
            head = after(head, plan_promote(head, "wide", version, "staging"))
        text = body(head, schemas, base)
        assert len(text) <= MOST_CHARACTERS + 100
        assert "… and 29 more" in text


class TestVerdict:
    def test_begins_with_what_is_missing_and_folds_the_rest(self, schemas: Schemas) -> None:
        judged = change(BASE, promoted(), schemas, approvals=())
        text = verdict_body(judged, evaluate(judged))
        order = [
            "### Checklist",
            "### Findings",
            "<details><summary>What it does</summary>",
            "### What moves",
        ]
        places = [text.index(part) for part in order]
        assert places == sorted(places)
        assert text.endswith("\n\n</details>")
        assert "- GR401 `entering production needs 1 approval" in text

    def test_what_enters_is_told_before_what_gives_way(self, schemas: Schemas) -> None:
        text = body(promoted(), schemas)
        assert text.index("| `credit-risk` | `3` |") < text.index("| `credit-risk` | `2` |")

    def test_fits_and_is_closed_however_long_it_is(self, schemas: Schemas) -> None:
        judged = change(BASE, promoted(), schemas, approvals=())
        many = [replace(evaluate(judged)[0], message="x" * 390) for _ in range(500)]
        text = verdict_body(judged, many)
        assert len(text) < MOST_CHARACTERS + 100
        assert text.endswith("\n\n</details>")
