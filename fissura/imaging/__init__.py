"""Pre- and post-processing, shared by training validation, calibration and the runtime."""
