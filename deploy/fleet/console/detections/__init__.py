"""The cracks that devices report over MQTT: stored once each, asked for by place and time, given out as files."""
