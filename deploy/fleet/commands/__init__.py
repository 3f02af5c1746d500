"""What `fissura fleet ACTION` does: one module an action."""
