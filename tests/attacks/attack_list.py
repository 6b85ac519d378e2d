"""The attacks that a registry must withstand at least, and the cases that show that this one does."""

from __future__ import annotations

#: What there must be cases of; ``family.case`` each.
REQUIRED: dict[str, tuple[str, ...]] = {
    # manifests
    "alias bombs": ("manifests.alias_bomb",),
    "30,000-deep documents": (
        "manifests.thirty_thousand_levels",
        "manifests.thirty_thousand_levels_in_blocks",
    ),
    "duplicate keys": ("manifests.duplicate_key", "manifests.duplicate_key_in_other_quotes"),
    "tags": ("manifests.python_object", "manifests.binary_tag", "manifests.tag_directive"),
    "anchors": ("manifests.anchor_and_alias",),
    "merge keys": ("manifests.merge_key",),
    "UTF-16": ("manifests.utf16",),
    "BOM": ("manifests.byte_order_mark",),
    "NUL and bidi characters": ("manifests.nul", "manifests.bidirectional_text", "manifests.line_separator"),
    "several documents": ("manifests.second_document",),
    "YAML 1.1 look-alikes": ("manifests.norway", "manifests.octal_version", "manifests.sexagesimal"),
    "NaN": ("manifests.not_a_number", "manifests.infinite"),
    "huge integers": ("manifests.huge_integer", "manifests.integer_beyond_doubles"),
    "10 MB manifests": ("manifests.ten_megabytes",),
    "patterns with trailing newline": ("manifests.pattern_and_trailing_newline",),
    "catastrophic backtracking": ("manifests.catastrophic_backtracking", "manifests.pattern_of_the_attacker"),
    "$ref and $schema to the network": (
        "manifests.reference_to_the_network",
        "manifests.reference_to_a_local_file",
        "manifests.dialect_from_the_network",
        "manifests.reference_in_a_signature",
    ),
    # paths
    "symlinked manifests": ("paths.symlinked_manifest", "paths.symlinked_folder", "paths.symlinked_rules"),
    "executable manifests": ("paths.executable_manifest", "paths.executable_bit_alone"),
    "submodule manifests": ("paths.submodule_as_manifest", "paths.submodule_as_version"),
    "..": ("paths.dot_dot", "paths.dot_dot_below_models"),
    ".git": ("paths.dot_git", "paths.dot_git_in_another_case", "paths.dot_git_by_its_short_name"),
    "back-slash paths": ("paths.backslash", "paths.backslash_below_models"),
    "device paths": ("paths.device", "paths.device_as_stage"),
    "case-colliding paths": ("paths.models_in_two_cases", "paths.stages_in_two_cases"),
    "normalisation-colliding paths": ("paths.models_of_two_normal_forms", "paths.models_of_two_widths"),
    # git
    "merge=union": ("gitlevel.merge_by_union",),
    "filters": ("gitlevel.converted_by_a_program",),
    "export-ignore": ("gitlevel.not_exported",),
    "-diff": ("gitlevel.not_shown",),
    "replace refs": (
        "gitlevel.replaced_policy",
        "gitlevel.replaced_base",
        "gitlevel.replaced_parents",
    ),
    "grafts": ("gitlevel.graft",),
    "shallow history": ("gitlevel.shallow_history", "gitlevel.history_too_shallow_for_a_soak"),
    "record edited": ("gitlevel.record_edited", "gitlevel.pointer_file_edited"),
    "record edited, then restored in an inner commit": (
        "landings.record_edited_then_restored",
        "landings.record_removed_then_restored",
        "landings.hidden_behind_a_merge_inside_a_branch",
    ),
    "back-dated commits against soak": (
        "landings.back_dated_against_a_soak",
        "landings.dated_before_its_parent",
    ),
    "record renamed away": ("gitlevel.record_renamed_away",),
    "record deleted and re-added": ("gitlevel.record_deleted_and_added_again",),
    "number reused after a tombstone": (
        "gitlevel.number_reused_after_a_tombstone",
        "gitlevel.number_reused_under_a_deleted_model",
    ),
    "pointer without a matching digest": ("gitlevel.pointer_without_a_matching_digest",),
    "alias named like a version or stage": (
        "gitlevel.alias_named_like_a_version",
        "gitlevel.alias_named_like_a_stage",
    ),
    "two holders of an exclusive stage": ("gitlevel.two_holders", "policy.two_in_an_exclusive_stage"),
    "a merge by rename detection": (
        "gitlevel.carried_over_by_rename_detection",
        "gitlevel.carried_into_another_stage",
    ),
    "markup, mentions and log commands": (
        "gitlevel.markup_in_notes",
        "gitlevel.markup_in_a_record",
        "gitlevel.log_commands_in_a_path_as_text",
        "gitlevel.log_commands_in_a_path_for_github",
        "gitlevel.log_commands_in_a_title",
        "gitlevel.log_commands_in_a_forged_request",
    ),
    "option-like refs and names": (
        "gitlevel.branch_named_like_an_option",
        "gitlevel.revision_that_is_an_option",
        "gitlevel.request_for_a_branch_named_like_an_option",
        "gitlevel.model_named_like_an_option",
        "gitlevel.reference_that_is_an_option",
    ),
    "ext:: URLs": ("gitlevel.address_that_is_a_command", "gitlevel.origin_that_is_a_command"),
    # policy
    "policy loosened in the same change": ("policy.loosened_in_the_same_change",),
    "policy loosened in a stacked change": (
        "policy.loosened_in_an_earlier_commit",
        "policy.loosened_in_a_stacked_request",
    ),
    "a stage emptied to dodge a comparison": (
        "policy.production_emptied",
        "policy.emptied_before_it_is_filled",
    ),
    "a rename into a laxer override and back": (
        "policy.renamed_into_a_laxer_override",
        "policy.renamed_back_from_a_laxer_override",
    ),
    # DVC
    ".dvc/config redirected": ("dvc.config_redirected", "dvc.config_redirected_with_a_registration"),
    ".dvc/config with credential commands": (
        "dvc.config_with_a_command",
        "dvc.config_with_a_command_that_has_landed",
    ),
    ".dvc/config overridden by config.local": ("dvc.config_overridden_by_a_tracked_local_one",),
    ".dvc with several outs": ("dvc.pointer_with_a_second_output",),
    ".dvc with ..": ("dvc.pointer_out_of_its_folder",),
    ".dvc with cache: false": ("dvc.pointer_without_a_cache",),
    ".dvc with push: false": ("dvc.pointer_never_pushed",),
    ".dvc with remote:": ("dvc.pointer_with_a_remote",),
    ".dvc with deps": ("dvc.pointer_with_dependencies",),
    ".dvc with wdir": ("dvc.pointer_with_a_working_directory",),
    ".dvc with foreign keys": ("dvc.pointer_with_a_command", "dvc.pointer_with_versions_of_the_cloud"),
    "directory listings with ..": ("dvc.listing_out_of_its_folder", "dvc.listing_out_of_its_folder_pulled"),
    "corrupt or missing objects": ("dvc.object_missing", "dvc.object_of_other_bytes"),
    "corrupt or missing children of a directory": ("dvc.child_missing", "dvc.child_of_other_bytes"),
    "md5-equal, sha256-different bytes": ("dvc.object_of_the_same_md5", "dvc.child_of_the_same_md5"),
    # approvals
    "approvals stale": ("approvals.approved_then_pushed_to", "approvals.approved_under_an_older_policy"),
    "approvals of one's own": ("approvals.own_approval", "approvals.own_approval_with_another_key"),
    "approvals expired": ("approvals.expired", "approvals.older_than_policy_lets_it_be"),
    "approvals by a bot": ("approvals.unknown_key",),
    "approvals by someone who has left the group": ("approvals.approved_by_somebody_who_left_the_group",),
    "an approval replayed after a roll-back": ("approvals.approval_replayed_after_a_rollback",),
    "an approval from a fork with the same history": (
        "approvals.approval_from_a_copy_where_another_version_is_live",
        "approvals.approval_from_a_copy_that_is_the_same",
    ),
    "an approved promotion that replays an old base": ("approvals.approved_promotion_from_an_old_base",),
}
