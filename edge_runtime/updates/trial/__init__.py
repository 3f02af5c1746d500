"""A new model is built and tested in a process of its own, with limits: ``python -m edge_runtime.updates.trial``."""
