"""Signed model updates on the device: found, fetched, verified, tried, and taken back where they do harm."""
