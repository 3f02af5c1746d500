"""What costs most in `find_cracks`, compiled by numba: see `fissura.imaging.implementation`.

Each module does what the module of the same name one level up does, pixel by pixel instead of array by array, and with
the same result. Nothing here is imported unless numba is installed and asked for.
"""
