"""Data sets: folders of images and masks, their checks, synthetic pavement, and training samples."""
