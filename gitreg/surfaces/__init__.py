"""Where people and machines meet gitreg."""
