"""The only code that touches git, DVC, forges and the disk; no adapter knows another."""
