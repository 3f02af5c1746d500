"""Sending the spool to an MQTT broker."""
