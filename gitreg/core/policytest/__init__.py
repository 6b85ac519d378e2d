"""A team's own examples against its policy: what a case says, what comes of it, and whether that was expected."""
