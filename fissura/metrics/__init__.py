"""Evaluation protocols, each under its own name: figures of different protocols are never mixed."""
