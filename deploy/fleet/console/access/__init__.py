"""Who may look: a token, sessions, and a limit on guessing."""
