"""Ways around the policy: loosened on the way, dodged by another name, another stage, another kind of change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flow_kit import NOW, REGISTRY, bytes_of, promote, registration, store_object

from attacks.approvals import POLICY, PRODUCTION, branch_asked, recorded
from attacks.attack_kit import Edit, Ground, attack
from attacks.attack_words import says
from gitreg.core.plan.alias import plan_clear_alias, plan_set_alias
from gitreg.core.plan.delete import plan_delete_model, plan_delete_version
from gitreg.core.plan.plan import Plan
from gitreg.core.plan.register import NewModel, plan_register
from gitreg.core.plan.rename import plan_rename
from gitreg.core.plan.transition import plan_demote
from gitreg.core.snapshot import Snapshot

Planner = Callable[[Snapshot], Plan]
SETTINGS = "gitreg.yaml"
MODEL = "models/credit-risk"
STAGING = f"{MODEL}/stages/staging.yaml"
ARCHIVED = f"{MODEL}/stages/archived.yaml"
WORKFLOW = ".github/workflows/gitreg.yml"
ASKS = "    approvals: [{group: risk-owners, count: 1, expire: 14d}]\n"
RULES_NEED = "changing the rules needs 1 approval of risk-owners, and has 0"
#: A stage that compares, and asks nobody.
COMPARES = (
    "gates: [{metric: roc_auc, min: 0.5}]",
    "gates: [{metric: roc_auc, worse_than_holder_by_at_most: 0.005}]",
)
#: Names under which production asks for nothing.
SANDBOX = 'overrides:\n  - {models: ["sandbox-*"], stages: {production: {approvals: [], from: null}}}\n'
ROLES = """\
roles:
  data_scientist: {members: [everybody], may: [register, annotate, evidence]}
  ml_engineer: {members: [ml-platform], may: [promote, demote, rollback, alias]}
  admin: {members: [risk-owners], may: [all]}
"""


# -- what attackers do


def changed(text: str, *pairs: tuple[str, str]) -> str:
    """A text with each first part, which stands in it just once, replaced by the second."""
    for old, new in pairs:
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    return text


def policy(ground: Ground, *pairs: tuple[str, str]) -> dict[str, Edit]:
    """The edit of the policy that replaces these texts."""
    return {POLICY: changed(ground.read(POLICY), *pairs)}


def stage(
    name: str,
    serial: int,
    versions: tuple[int, ...],
    previous: tuple[int, ...] = (),
    model: str = "credit-risk",
) -> str:
    """A stage file by hand; the versions are those of the template, or made by :func:`register`."""
    header = (
        f"apiVersion: gitreg/v1\nkind: StageAssignment\nmodel: {model}\nstage: {name}\nserial: {serial}\n"
    )
    return f"{header}versions: [{_pins(versions)}]\nprevious: [{_pins(previous)}]\n"


def _pins(versions: tuple[int, ...]) -> str:
    digests = {version: registration("x", version).artifact.digest for version in versions}
    return ", ".join(f'{{version: {version}, digest: "{digest}"}}' for version, digest in digests.items())


def register(ground: Ground, number: int, roc_auc: float = 0.9, model: str = "credit-risk") -> Planner:
    """Registers a version with the bytes of ``number``, which are on the remote; also the model, if need be."""
    store_object(ground.desk.artifacts, bytes_of(number))
    new = replace(registration(model, number, create=NewModel()), metrics={"roc_auc": roc_auc})
    return lambda snapshot: plan_register(snapshot, new)


def live(ground: Ground, version: int = 2) -> None:
    """A version is in production, and the one before it in the archive."""
    ground.plan(promote(version, "production"), branch="main")


# -- the rules, loosened


@attack(expect=("GR205", "GR401"))
def loosened_in_the_same_change(ground: Ground) -> None:
    """Production asks for no approval from this very change on, which moves a version there."""
    made = promote(2, "production")(ground.snapshot())
    ground.edit({**made.edits, **policy(ground, (ASKS, ""))})


@attack(expect=("GR205", "GR401"))
def loosened_in_an_earlier_commit(ground: Ground) -> None:
    """The first commit of a branch loosens, the second one promotes as the first lets it."""
    ground.edit(policy(ground, (ASKS, "")))
    ground.plan(promote(2, "production"))


@attack(expect=("GR205", "GR401"))
def loosened_and_tightened_again(ground: Ground) -> None:
    """The last commit of the branch takes back what the first one loosened, but for a comment."""
    ground.edit(policy(ground, (ASKS, "")))
    ground.plan(promote(2, "production"))
    ground.edit({POLICY: ground.read(POLICY) + "# no more\n"})


@attack(expect=("GR205", "GR401"))
def loosened_in_a_stacked_request(ground: Ground) -> list[str]:
    """A request is stacked on another one that loosens the rules, to be judged by those."""
    ground.edit(policy(ground, (ASKS, "")), branch="loosened")
    branch_asked(ground, "dan", branch="loosened")
    ground.push(ground.tip("loosened"))
    ground.plan(promote(2, "production"))
    branch_asked(ground, "dan")
    return ["verify", "2", "--format", "json"]


@attack(expect_error=(1, "asks to be merged into 'loosened'"))
def stacked_on_a_branch_that_is_not_the_registry_s(ground: Ground) -> list[str]:
    """A request asks to be merged into a branch with looser rules, in the hope that it is landed by its number."""
    ground.edit(policy(ground, (ASKS, "")), branch="loosened")
    ground.push(ground.tip("loosened"))
    ground.plan(promote(2, "production"))
    recorded(ground, branch_asked(ground, "dan"), lambda told: told.update(target="loosened"))
    return ["change", "merge", "1"]


@attack(expect=("GR401", "GR108"), then=says(RULES_NEED, "the policy has no stage 'production'"))
def emptied(ground: Ground) -> None:
    """A policy without stages asks for nothing."""
    text = ground.read(POLICY)
    ground.edit({POLICY: text[: text.index("stages:")] + "stages: []\n"})


@attack(expect=("GR401", "GR101"), then=says(RULES_NEED))
def removed(ground: Ground) -> None:
    """Without a policy there is nothing to break."""
    ground.edit({POLICY: None})


@attack(expect=("GR401", "GR101"), then=says(RULES_NEED))
def registry_removed(ground: Ground) -> None:
    """Where no registry is, the next change begins one, by its own rules."""
    ground.edit({SETTINGS: None, POLICY: None})


@attack(expect=("GR401", "GR207"))
def begun_anew(ground: Ground) -> None:
    """The registry gets another id, so that it is another registry."""
    ground.edit({SETTINGS: ground.read(SETTINGS).replace("6f1c7d4e", "00000000")})


@attack(expect="GR401", then=says(RULES_NEED))
def owners_replaced(ground: Ground) -> None:
    """The rules become everybody's."""
    old = "  owners: [everybody]\n  approvals: [{group: risk-owners, count: 1}]\n"
    ground.edit(policy(ground, (old, "  owners: [everybody]\n")))


@attack(expect="GR401", then=says(RULES_NEED))
def oneself_added_to_a_group(ground: Ground) -> None:
    """The attacker makes himself a risk owner, to approve whatever comes."""
    ground.edit(policy(ground, ("risk-owners: [alice]", "risk-owners: [alice, dan]")))


def _key(ground: Ground, person: str) -> str:
    return f'"{(ground.desk.keys / person).with_suffix(".pub").read_text().strip()}"'


@attack(expect=("GR401", "GR111"), then=says("a key belongs to one person"))
def own_key_in_another_s_name(ground: Ground) -> None:
    """The attacker's key becomes one of Alice's, too, so that he may sign as her."""
    alice = _key(ground, "alice")
    ground.edit(policy(ground, (alice, f"{alice}, {_key(ground, 'dan')}")))


@attack(expect=("GR401", "GR111"), then=says("so nobody can give 9 approvals"))
def made_impossible(ground: Ground) -> None:
    """A policy that nobody can satisfy can never be mended."""
    rules = "  approvals: [{group: risk-owners, count: 1}]\n"
    ground.edit(policy(ground, (rules, rules.replace("1", "9"))))


@attack(expect=("GR401", "GR108"), then=says("the policy has no stage 'production'"))
def stage_renamed_under_its_versions(ground: Ground) -> None:
    """The stage that is guarded gets another name, and the old one's versions are nobody's."""
    ground.edit(
        policy(
            ground,
            ("  - name: production\n", "  - name: guarded\n"),
            ("stage: production,", "stage: guarded,"),
        )
    )


# -- what guards the rules, switched off


@attack(expect="GR401", then=says(RULES_NEED))
def switched_to_solo(ground: Ground) -> None:
    """A registry of one person lands everything directly."""
    ground.edit({SETTINGS: ground.read(SETTINGS).replace("enforcement: requests", "enforcement: solo")})


@attack(expect_error=(1, "nothing enforces the rules on this registry's branch"))
def switched_to_solo_in_one_s_own_clone(ground: Ground) -> list[str]:
    """Only the clone's own branch says so, and the clone asks to land directly."""
    ground.git("switch", "-q", "main", folder="bo")
    settings = ground.judge / SETTINGS
    settings.write_text(settings.read_text().replace("enforcement: requests", "enforcement: solo"))
    ground.git("commit", "-q", "-a", "-m", "solo", folder="bo")
    return ["promote", "credit-risk/2", "--to", "production", "--direct"]


@attack(expect="GR401", then=says(RULES_NEED))
def unprotected_and_edited(ground: Ground) -> None:
    """The workflow that runs the checks is edited in the change that takes its protection away."""
    ground.edit({SETTINGS: ground.read(SETTINGS) + "protected: [nothing]\n", WORKFLOW: "on: []\n"})


@attack(expect=("GR401", "GR205"))
def unprotected_and_promoted(ground: Ground) -> None:
    """The same, with a version that is to slip past the checks."""
    made = promote(3, "staging")(ground.snapshot())
    ground.edit(
        {**made.edits, SETTINGS: ground.read(SETTINGS) + "protected: [nothing]\n", WORKFLOW: "on: []\n"}
    )


@attack(expect="GR401", then=says(RULES_NEED))
def workflow_moved_away(ground: Ground) -> None:
    """The workflow is not edited, but somewhere else."""
    ground.land({WORKFLOW: "on: [pull_request]\n"})
    ground.edit({WORKFLOW: None, "old/gitreg.yml": "on: [pull_request]\n"})


@attack(outcome="harmless", isolated=True)
def protected_by_a_glob_that_backtracks(ground: Ground) -> None:
    """The registry protects what matches a pattern with very many ways to match a deep path, or rather not to."""
    ground.land({SETTINGS: ground.read(SETTINGS) + f'protected: ["{"**/" * 100}x"]\n'})
    ground.edit({"a/" * 60 + "y": "nothing\n"})


# -- stages


@attack(expect="GR401", then=says("leaving production needs 1 approval of risk-owners, and has 0"))
def production_emptied(ground: Ground) -> None:
    """Nobody is asked when a stage only loses its version."""
    ground.edit({PRODUCTION: stage("production", 2, (), (1,))})


@attack(expect="GR302", then=says("version 2, has 0.9"))
def emptied_and_filled_in_one_change(ground: Ground) -> None:
    """A stage that compares is emptied in a first commit, so that a second one has nothing to compare with."""
    ground.land(policy(ground, COMPARES))
    ground.plan(register(ground, 4, 0.6), branch="main")
    ground.plan(lambda snapshot: plan_demote(snapshot, "credit-risk", 2, "none"))
    ground.edit({STAGING: stage("staging", 4, (4,), (2,))})


@attack(expect="GR302", then=says("version 2, has 0.9"))
def emptied_before_it_is_filled(ground: Ground) -> None:
    """The stage, which asks nobody, was emptied in a change of its own."""
    ground.land(policy(ground, COMPARES))
    ground.plan(
        register(ground, 4, 0.6),
        lambda snapshot: plan_demote(snapshot, "credit-risk", 2, "none"),
        branch="main",
    )
    ground.plan(promote(4, "staging"))


@attack(expect=("GR203", "GR302"))
def removed_before_it_is_filled(ground: Ground) -> None:
    """The stage's file is replaced by one without a past."""
    ground.land(policy(ground, COMPARES))
    ground.plan(register(ground, 4, 0.6), branch="main")
    ground.edit({STAGING: None})
    ground.edit({STAGING: stage("staging", 1, (4,))})


def _ended(ground: Ground) -> None:
    """The model is deleted, with everything that it had."""
    for version in (1, 2):
        ground.plan(
            lambda snapshot, v=version: plan_demote(snapshot, "credit-risk", v, "none"), branch="main"
        )
    ground.plan(
        lambda snapshot: plan_clear_alias(snapshot, "credit-risk", "champion"),
        lambda snapshot: plan_delete_model(snapshot, "credit-risk", None, NOW),
        branch="main",
    )


@attack(expect="GR302", outcome="undecided", then=says("'credit-risk' was deleted and made again"))
def model_made_again_to_forget_its_holder(ground: Ground) -> None:
    """The model is deleted and made again, so that its stages have no past to compare with."""
    ground.land(policy(ground, COMPARES))
    _ended(ground)
    ground.plan(register(ground, 4, 0.6), branch="main")
    ground.plan(promote(4, "staging"))


@attack(expect=("GR206", "GR109"))
def model_made_again_with_an_old_number(ground: Ground) -> None:
    """The model is deleted and made again, and number 1 is somebody else's bytes."""
    _ended(ground)
    ground.plan(register(ground, 4))
    files = {"version.yaml": ("version: 4", "version: 1"), "model.onnx.dvc": ("", "")}
    there = {name: ground.read(f"{MODEL}/versions/4/{name}", "attacker") for name in files}
    moved = {f"{MODEL}/versions/1/{name}": there[name].replace(*files[name]) for name in files}
    ground.edit({**moved, **{f"{MODEL}/versions/4/{name}": None for name in files}})


@attack(expect=("GR202", "GR203", "GR204"))
def deleted_and_made_again_at_once(ground: Ground) -> None:
    """One change deletes the model and makes it again, with nothing in its stages."""
    paths = [
        path
        for path in ground.git("ls-tree", "-r", "--name-only", ground.tip()).splitlines()
        if path.startswith(MODEL)
    ]
    pins = f'versions: [{_pins((1, 2, 3))}]\ndeleted_at: "2026-12-01T12:00:00Z"\n'
    tombstone = f"apiVersion: gitreg/v1\nkind: ModelTombstone\nmodel: credit-risk\n{pins}"
    kept = {f"{MODEL}/model.yaml": ground.read(f"{MODEL}/model.yaml"), f"{MODEL}/tombstone.yaml": tombstone}
    ground.edit({**dict.fromkeys(paths), **kept})


@attack(expect=("GR204", "GR107"))
def version_deleted_while_live(ground: Ground) -> None:
    """What is in production is deleted, tombstone and all, instead of demoted."""
    ground.edit({f"{MODEL}/versions/1/{name}": None for name in ("version.yaml", "model.onnx.dvc")})
    tombstone = registration("x", 3).artifact.digest
    ground.edit(
        {
            f"{MODEL}/versions/1/tombstone.yaml": "apiVersion: gitreg/v1\nkind: VersionTombstone\nmodel: credit-risk\n"
            f'version: 1\ndigest: "{tombstone}"\ndeleted_at: "2026-12-01T12:00:00Z"\n'
        }
    )


# -- displaced, rolled back


@attack(expect="GR301", then=says("moves from production to staging"))
def displaced_to_another_stage(ground: Ground) -> None:
    """What gives way in production goes where it is used next, not to the archive."""
    edits = {
        PRODUCTION: stage("production", 2, (2,), (1,)),
        STAGING: stage("staging", 4, (1,), (2,)),
    }
    ground.edit(edits)


@attack(expect="GR301", then=says("gives way in production"))
def displaced_out_of_every_stage(ground: Ground) -> None:
    """What gives way in production is nowhere any more, where nothing keeps it from being deleted."""
    edits = {
        PRODUCTION: stage("production", 2, (2,), (1,)),
        STAGING: stage("staging", 4, (), (2,)),
    }
    ground.edit(edits)


@attack(expect="GR401", then=says("leaving production needs 1 approval"))
def displaced_by_nothing(ground: Ground) -> None:
    """A version leaves production for the archive as if another one had come; one came, but to staging."""
    edits = {
        PRODUCTION: stage("production", 2, (), (1,)),
        ARCHIVED: stage("archived", 1, (1,)),
        STAGING: stage("staging", 4, (2, 3), (2,)),
    }
    ground.edit(edits)


@attack(expect=("GR301", "GR401"))
def displaced_by_what_may_not_enter(ground: Ground) -> None:
    """A version that was never staged makes the one in production give way."""
    edits = {
        PRODUCTION: stage("production", 2, (3,), (1,)),
        ARCHIVED: stage("archived", 1, (1,)),
    }
    ground.edit(edits)


@attack(expect=("GR108", "GR401"))
def two_in_an_exclusive_stage(ground: Ground) -> None:
    """Production holds one version; the second stands beside it."""
    ground.edit({PRODUCTION: stage("production", 2, (1, 2), (1,)), STAGING: stage("staging", 4, (), (2,))})


@attack(expect=("GR301", "GR401"))
def rolled_back_to_something_else(ground: Ground) -> None:
    """A rollback of production brings a version along that was never there."""
    live(ground)
    edits = {
        PRODUCTION: stage("production", 3, (3,), (2,)),
        ARCHIVED: stage("archived", 2, (1, 2), (1,)),
    }
    ground.edit(edits)


@attack(expect="GR401", then=says("leaving production needs 1 approval", "rolling production back needs 1"))
def rolled_back_with_a_passenger(ground: Ground) -> None:
    """What a rollback takes out of production goes to staging, from where production may take it back."""
    live(ground)
    edits = {
        PRODUCTION: stage("production", 3, (1,), (2,)),
        ARCHIVED: stage("archived", 2, (), (1,)),
        STAGING: stage("staging", 5, (2,), ()),
    }
    ground.edit(edits)


# -- previous


@attack(expect="GR203", then=says("the edit moves nothing"))
def previous_emptied_by_an_idle_edit(ground: Ground) -> None:
    """An edit that moves nothing asks nobody, and leaves nothing to roll back to."""
    live(ground)
    ground.edit({PRODUCTION: stage("production", 3, (2,))})


@attack(expect="GR203", then=says("the edit moves nothing"))
def previous_turned_by_an_idle_edit(ground: Ground) -> None:
    """The same with the list that a real edit would leave: a rollback restores what is there anyhow."""
    live(ground)
    ground.edit({PRODUCTION: stage("production", 3, (2,), (2,))})


@attack(expect="GR203", then=says("previous does not list the holders before this edit"))
def previous_forged(ground: Ground) -> None:
    """A harmless move of a stage that asks nobody writes a version into its past that was never there."""
    ground.edit({STAGING: stage("staging", 4, (), (3,))})


@attack(expect=("GR203", "GR301", "GR401"))
def previous_forged_and_restored(ground: Ground) -> None:
    """One commit forges what production held before, the next one rolls back to it."""
    live(ground)
    ground.edit({PRODUCTION: stage("production", 3, (2,), (3,))})
    ground.edit(
        {PRODUCTION: stage("production", 4, (3,), (2,)), ARCHIVED: stage("archived", 2, (1, 2), (1,))}
    )


# -- names of stages


@attack(expect="GR108", then=says("the policy has no stage 'Production'"))
def stage_in_another_spelling(ground: Ground) -> None:
    """Nothing guards a stage called Production, and look-ups ignore case."""
    ground.plan(register(ground, 4, model="fresh"), branch="main")
    text = stage("Production", 1, (1,), model="fresh")
    ground.edit(
        {"models/fresh/stages/Production.yaml": text.replace(_pins((1,)), _pins((4,)).replace("4", "1", 1))}
    )


@attack(expect="GR203", then=says("the edit moves nothing"))
def stage_squatted_in_another_spelling(ground: Ground) -> None:
    """An empty stage called Production, which is never removed, keeps everybody from filling production."""
    ground.plan(register(ground, 4, model="fresh"), branch="main")
    ground.edit({"models/fresh/stages/Production.yaml": stage("Production", 1, (), model="fresh")})


# -- aliases


@attack(expect=("GR204", "GR401"))
def protected_alias_moved_by_a_rename(ground: Ground) -> None:
    """A rename carries the protected alias over, to another version."""
    ground.plan(lambda snapshot: plan_rename(snapshot, "credit-risk", "credit-score", NOW))
    path = "models/credit-score/aliases/champion.yaml"
    one, two = (registration("x", number).artifact.digest for number in (1, 2))
    ground.edit({path: changed(ground.read(path, "attacker"), ("version: 1", "version: 2"), (one, two))})


@attack(expect=("GR307", "GR401"), then=says("moving @champion needs 1 approval of risk-owners, and has 0"))
def protected_alias_moved(ground: Ground) -> None:
    """What people deploy by its alias is another version."""
    path = f"{MODEL}/aliases/champion.yaml"
    one, two = (registration("x", number).artifact.digest for number in (1, 2))
    pairs = ("serial: 1", "serial: 2"), ("version: 1", "version: 2"), (one, two)
    ground.edit({path: changed(ground.read(path), *pairs)})


@attack(expect="GR401", then=says("moving @champion needs 1 approval"))
def protected_alias_cleared(ground: Ground) -> None:
    """What people deploy by its alias is nothing."""
    ground.plan(lambda snapshot: plan_clear_alias(snapshot, "credit-risk", "champion"))


@attack(expect=("GR105", "GR307", "GR401"))
def protected_alias_in_another_spelling(ground: Ground) -> None:
    """Champion is another file than champion, and nobody protects it."""
    text = ground.read(f"{MODEL}/aliases/champion.yaml")
    one, two = (registration("x", number).artifact.digest for number in (1, 2))
    pairs = ("alias: champion", "alias: Champion"), ("version: 1", "version: 2"), (one, two)
    ground.edit({f"{MODEL}/aliases/Champion.yaml": changed(text, *pairs)})


# -- renames


@attack(
    expect="GR401", then=says("renaming production of credit-risk needs 1 approval of risk-owners, and has 0")
)
def renamed_into_a_laxer_override(ground: Ground) -> None:
    """Under another name production asks for nothing, and readers of the old name follow."""
    ground.land({POLICY: ground.read(POLICY) + SANDBOX})
    ground.plan(lambda snapshot: plan_rename(snapshot, "credit-risk", "sandbox-risk", NOW))


@attack(expect="GR401", then=says("renaming production of fresh needs 1 approval of risk-owners, and has 0"))
def renamed_into_a_laxer_override_while_empty(ground: Ground) -> None:
    """No stage of the model holds anything yet."""
    ground.land({POLICY: ground.read(POLICY) + SANDBOX})
    ground.plan(register(ground, 4, model="fresh"), branch="main")
    ground.plan(lambda snapshot: plan_rename(snapshot, "fresh", "sandbox-fresh", NOW))


@attack(expect=("GR204", "GR401"))
def renamed_and_promoted_at_once(ground: Ground) -> None:
    """The rename carries another version into production on the way."""
    ground.land({POLICY: ground.read(POLICY) + SANDBOX})
    ground.plan(
        lambda snapshot: plan_rename(snapshot, "credit-risk", "sandbox-risk", NOW),
        promote(2, "production", "sandbox-risk"),
    )


def _in_the_sandbox(ground: Ground) -> None:
    """The model was renamed, with approvals; what it then got in production asked nobody."""
    ground.land({POLICY: ground.read(POLICY) + SANDBOX})
    ground.plan(
        lambda snapshot: plan_rename(snapshot, "credit-risk", "sandbox-risk", NOW),
        promote(2, "production", "sandbox-risk"),
        branch="main",
    )


@attack(expect=("GR204", "GR401"), then=says("the name 'credit-risk' is taken"))
def renamed_back_from_a_laxer_override(ground: Ground) -> None:
    """What went to production under the laxer name comes back under the stricter one."""
    _in_the_sandbox(ground)
    tip = ground.tip()
    paths = ground.git("ls-tree", "-r", "--name-only", tip, "models/sandbox-risk/").splitlines()
    edits: dict[str, Edit] = dict.fromkeys(paths)
    for path in paths:
        text = ground.read(path)
        if "/stages/" in path or "/aliases/" in path:
            serial = (
                ground.snapshot().manifest("Alias" if "/aliases/" in path else "StageAssignment", path).serial
            )
            text = text.replace("model: sandbox-risk", "model: credit-risk")
            text = text.replace(f"serial: {serial}", f"serial: {serial + 1}")
        edits[path.replace("sandbox-risk", "credit-risk")] = text.replace(
            "name: sandbox-risk", "name: credit-risk"
        )
    redirect = "models/credit-risk/redirect.yaml"
    told = ground.read(redirect).replace("model: credit-risk", "model: sandbox-risk")
    edits |= {
        redirect: None,
        "models/sandbox-risk/redirect.yaml": told.replace("to: sandbox-risk", "to: credit-risk"),
    }
    ground.edit(edits)


@attack(
    expect="GR401",
    then=says("renaming production of sandbox-risk needs 1 approval of risk-owners, and has 0"),
)
def renamed_on_from_a_laxer_override(ground: Ground) -> None:
    """The same, to a third name that is as strict as the first; its readers are led along."""
    _in_the_sandbox(ground)
    ground.plan(lambda snapshot: plan_rename(snapshot, "sandbox-risk", "credit-risk-2", NOW))


@attack(expect="GR401")
def renamed_away_from_a_gate(ground: Ground) -> None:
    """A stage that asks for numbers and for nobody is left behind under the old name."""
    gate = 'overrides:\n  - {models: ["sandbox-*"], stages: {staging: {gates: []}}}\n'
    ground.land({POLICY: ground.read(POLICY) + gate})
    ground.plan(register(ground, 4, 0.1, model="fresh"), branch="main")
    ground.plan(lambda snapshot: plan_rename(snapshot, "fresh", "sandbox-fresh", NOW))


# -- roles


def _roles(ground: Ground) -> None:
    ground.land(policy(ground, ("direct: [annotate]\n", f"{ROLES}direct: [annotate]\n")))


def _first(ground: Ground, key: str | None = "") -> list[str]:
    branch_asked(ground, "dan", key=key)
    return ["verify", "1", "--format", "json"]


@attack(expect="GR308", then=says("dan (data_scientist) may not propose a change of the kind promote"))
def promoted_without_the_role(ground: Ground) -> list[str]:
    """Who may register promotes."""
    _roles(ground)
    ground.plan(promote(3, "staging"))
    return _first(ground)


@attack(expect="GR308", then=says("of the kind promote"))
def promoted_under_cover_of_a_registration(ground: Ground) -> list[str]:
    """Who may register does so, and the new version is in a stage at once."""
    _roles(ground)
    ground.plan(register(ground, 4), promote(4, "staging"))
    return _first(ground)


@attack(expect="GR308", then=says("of the kind alias"))
def alias_set_without_the_role(ground: Ground) -> list[str]:
    """An alias that nobody protects is a file like any other."""
    _roles(ground)
    ground.plan(lambda snapshot: plan_set_alias(snapshot, "credit-risk", "candidate", 3))
    return _first(ground)


@attack(expect="GR308", then=says("of the kind delete"))
def deleted_without_the_role(ground: Ground) -> list[str]:
    """Who may register tidies up."""
    _roles(ground)
    ground.plan(lambda snapshot: plan_delete_version(snapshot, "credit-risk", 3, None, NOW))
    return _first(ground)


@attack(expect=("GR308", "GR401"), then=says("of the kind rules"))
def role_given_to_oneself(ground: Ground) -> list[str]:
    """Who may register makes himself an engineer."""
    _roles(ground)
    ground.edit(policy(ground, ("members: [ml-platform]", "members: [everybody]")))
    return _first(ground)


@attack(expect=("GR205", "GR308", "GR401"), then=says("of the kind promote"))
def role_given_to_oneself_and_used(ground: Ground) -> list[str]:
    """The same, with the promotion that is the point of it."""
    _roles(ground)
    ground.edit(policy(ground, ("members: [ml-platform]", "members: [everybody]")))
    ground.plan(promote(3, "staging"))
    return _first(ground)


@attack(expect="GR308", outcome="undecided", then=says("who proposes this change is not known"))
def promoted_by_nobody(ground: Ground) -> list[str]:
    """Whom nobody knows, nobody can bar."""
    _roles(ground)
    ground.plan(promote(3, "staging"))
    return _first(ground, key=None)


# -- another registry in the way


def _in_a_folder(ground: Ground) -> None:
    """The registry lies in a folder of a repository that holds other things, too."""
    tip = ground.tip()
    tree = ground.raw_tree([("040000", "registry", ground.git("rev-parse", f"{tip}^{{tree}}"))])
    ground.push(ground.commit(tree, tip), "main")
    for person in ("bo", "dan"):
        ground.git("pull", "-q", "origin", "main", folder=person)


def _own_registry(branch: str = "main") -> dict[str, Edit]:
    """A registry whose policy asks for nothing."""
    return {
        SETTINGS: REGISTRY.replace("6f1c7d4e", "00000000").replace("branch: main", f"branch: {branch}"),
        POLICY: "apiVersion: gitreg/v1\nkind: Policy\nrules: {owners: []}\nstages: []\n",
    }


def _looked_at(ground: Ground) -> list[str]:
    """The judge has the attacker's branch checked out, as a CI job does."""
    ground.git("fetch", "-q", "origin", folder="bo")
    ground.git("switch", "-q", "--detach", "origin/attacker", folder="bo")
    return ["verify", "--base", "origin/main", "--head", "HEAD", "--format", "json"]


@attack(expect="GR401")
def another_registry_at_the_root(ground: Ground) -> None:
    """The registry is in a folder; a second one at the root is what commands without -C find from then on."""
    _in_a_folder(ground)
    ground.edit(_own_registry())


@attack(expect="GR401")
def another_registry_at_the_root_judges(ground: Ground) -> list[str]:
    """The change begins a registry at the root of the checkout in which it is judged, and so by its own rules."""
    _in_a_folder(ground)
    ground.edit({**_own_registry(), f"registry/{PRODUCTION}": stage("production", 2, (), (1,))})
    return _looked_at(ground)


@attack(expect="GR401")
def registry_moved_to_the_root(ground: Ground) -> list[str]:
    """The same where the job names the folder: the change takes its gitreg.yaml away."""
    _in_a_folder(ground)
    ground.edit(
        {
            **_own_registry(),
            f"registry/{SETTINGS}": None,
            f"registry/{PRODUCTION}": stage("production", 2, (), (1,)),
        }
    )
    return ["-C", f"{ground.judge}/registry", *_looked_at(ground)]


@attack(expect="GR401")
def another_branch_judges(ground: Ground) -> list[str]:
    """The registry at the root of the checkout names a branch of the attacker's as the one to be compared with."""
    _in_a_folder(ground)
    ground.edit(
        {**_own_registry("mine"), f"registry/{PRODUCTION}": stage("production", 2, (), (1,))}, branch="mine"
    )
    ground.push(ground.tip("mine"))
    ground.edit({"README.md": "nothing to see\n"})
    _looked_at(ground)
    return ["verify", "--head", "HEAD", "--format", "json"]


@attack(expect="GR401")
def branch_named_by_the_checkout(ground: Ground) -> list[str]:
    """The checkout's gitreg.yaml names a branch of the attacker's as the registry's."""
    settings = ground.read(SETTINGS).replace("branch: main", "branch: attacker")
    ground.edit({SETTINGS: settings, PRODUCTION: stage("production", 2, (), (1,))})
    _looked_at(ground)
    return ["verify", "--head", "HEAD", "--format", "json"]
