"""`fissura run`: the whole runtime, from the command line or a configuration file."""
