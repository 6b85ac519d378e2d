"""Pure plans: from a snapshot and an intent to the edits that carry it out, one file per operation."""
