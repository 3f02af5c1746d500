"""`fissura bench`: what the pipeline reaches of its bare engine, and where the rest of the time goes."""
