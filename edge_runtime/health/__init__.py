"""How the run is doing: HTTP endpoint, service manager, telemetry, and what is done when the device throttles."""
