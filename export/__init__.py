"""Turns a checkpoint into a bundle, proves the graphs against PyTorch, and scores models."""
