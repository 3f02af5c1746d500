"""`--engine auto`: every engine of this device tried once on a bundle; the fastest that computes rightly is kept."""
