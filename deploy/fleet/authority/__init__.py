"""The fleet's own certificate authority: who may talk to the broker, and as whom."""
