"""Git: the one door to it. Nothing is imported here, so that a submodule costs only itself."""
