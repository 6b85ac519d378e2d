"""The files that tell a hosted forge what gitreg needs of it: workflows, code owners, a ruleset."""
