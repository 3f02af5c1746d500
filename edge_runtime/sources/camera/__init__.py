"""Live cameras: a child process reads the camera, so that a driver or a network that hangs can be killed."""
