"""A fleet of thousands on one machine: real broker, server, repository and controller; see `simulation`."""
