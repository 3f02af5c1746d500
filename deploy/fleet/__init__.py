"""A fleet of devices and the signed model updates for it.

A fleet lives in one folder (see `home`). The data goes one way: a bundle is published into the repository, a channel
names it, a roll-out widens the channel wave by wave, and what the devices report over MQTT decides whether it goes on.
"""
