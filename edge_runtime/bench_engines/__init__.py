"""`fissura bench engines`: every engine and precision of a bundle on this device, side by side."""
