"""Claims and volumes: who is bound to whom (pure), the binder, and the protection of what is in use."""
