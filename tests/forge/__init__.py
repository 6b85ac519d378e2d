"""Forges to test against: real repositories behind real HTTP, with an API that behaves as the vendor's."""
