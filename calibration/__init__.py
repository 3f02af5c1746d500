"""Measures what a bundle needs to know about real images: its decision thresholds."""
