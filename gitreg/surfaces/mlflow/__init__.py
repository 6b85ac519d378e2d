"""MLflow's model registry on a git registry: the plug-ins that MLflow finds by their entry points.

MLflow imports them whenever it is used, with or without a git registry: what is heavy is imported inside functions.
"""
