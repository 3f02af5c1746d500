"""`fissura agent`: keeps a run going and its model up to date."""
