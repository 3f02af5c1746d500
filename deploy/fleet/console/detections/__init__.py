"""The cracks that devices report over MQTT: an event each, asked for by place and time, given out as files."""
