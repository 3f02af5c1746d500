"""What the operator knows: devices and their reports, roll-outs and their waves, and an audit that cannot be edited."""
