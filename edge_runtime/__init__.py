"""The runtime on the vehicle: camera frames in, crack detections out."""
