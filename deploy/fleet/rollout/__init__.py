"""Rolling a release out: listening to the devices, deciding about the next wave, signing the channel for it."""
