"""One rule per file. Each has its id, its name, and a function from what it looks at to findings.

``SNAPSHOT_RULES`` hold of one revision by itself; ``CHANGE_RULES`` of the way from a base to a head; ``PUSH_RULES``
of the refs that one push moves.
"""

from __future__ import annotations

from gitreg.core.verify.rule import ChangeRule, PushRule, Rule, SnapshotRule
from gitreg.core.verify.rules.aliases import ALIASES
from gitreg.core.verify.rules.approvals import APPROVALS
from gitreg.core.verify.rules.artifacts import ARTIFACTS
from gitreg.core.verify.rules.bootstrap import BOOTSTRAP
from gitreg.core.verify.rules.card_gate import CARD_GATE
from gitreg.core.verify.rules.completeness import COMPLETENESS
from gitreg.core.verify.rules.conflict import CONFLICT
from gitreg.core.verify.rules.dates import DATES
from gitreg.core.verify.rules.deprecation import DEPRECATION
from gitreg.core.verify.rules.direct import DIRECT
from gitreg.core.verify.rules.endings import ENDINGS
from gitreg.core.verify.rules.environment_gate import ENVIRONMENT_GATE
from gitreg.core.verify.rules.formats_gate import FORMATS_GATE
from gitreg.core.verify.rules.inner_commits import INNER_COMMITS
from gitreg.core.verify.rules.manifest import MANIFEST
from gitreg.core.verify.rules.markers import MARKERS
from gitreg.core.verify.rules.merge import MERGE
from gitreg.core.verify.rules.metric_gate import METRIC_GATE
from gitreg.core.verify.rules.mixing import MIXING
from gitreg.core.verify.rules.mode import MODE, MODE_OF_RULES
from gitreg.core.verify.rules.names import NAMES
from gitreg.core.verify.rules.numbers import NUMBERS
from gitreg.core.verify.rules.paths import PATHS
from gitreg.core.verify.rules.pins import PINS
from gitreg.core.verify.rules.placement import PLACEMENT
from gitreg.core.verify.rules.pointers import POINTERS
from gitreg.core.verify.rules.policy import POLICY
from gitreg.core.verify.rules.records import RECORDS
from gitreg.core.verify.rules.refs import REFS
from gitreg.core.verify.rules.roles import ROLES
from gitreg.core.verify.rules.schema_gate import SCHEMA_GATE
from gitreg.core.verify.rules.scheme import SCHEME, SCHEME_OF_EDITS
from gitreg.core.verify.rules.soak import SOAK
from gitreg.core.verify.rules.stages import STAGES
from gitreg.core.verify.rules.stray import STRAY
from gitreg.core.verify.rules.transitions import TRANSITIONS
from gitreg.core.verify.rules.windows import WINDOWS

SNAPSHOT_RULES: tuple[SnapshotRule, ...] = (
    MANIFEST,
    PLACEMENT,
    STRAY,
    MODE,
    NAMES,
    COMPLETENESS,
    PINS,
    STAGES,
    MARKERS,
    SCHEME,
    POLICY,
)
CHANGE_RULES: tuple[ChangeRule, ...] = (
    CONFLICT,
    RECORDS,
    POINTERS,
    ENDINGS,
    MIXING,
    NUMBERS,
    PATHS,
    BOOTSTRAP,
    MERGE,
    INNER_COMMITS,
    DATES,
    MODE_OF_RULES,
    SCHEME_OF_EDITS,
    TRANSITIONS,
    METRIC_GATE,
    SCHEMA_GATE,
    FORMATS_GATE,
    CARD_GATE,
    ENVIRONMENT_GATE,
    SOAK,
    WINDOWS,
    ALIASES,
    DEPRECATION,
    ROLES,
    DIRECT,
    APPROVALS,
    ARTIFACTS,
)
PUSH_RULES: tuple[PushRule, ...] = (REFS,)


def all_rules() -> list[Rule]:
    """Every rule once, in the order of the ids."""
    structure, way, refs = (
        {each.rule for each in rules} for rules in (SNAPSHOT_RULES, CHANGE_RULES, PUSH_RULES)
    )
    return sorted(structure | way | refs, key=lambda rule: rule.id)
