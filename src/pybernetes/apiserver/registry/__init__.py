"""The only way into storage: one generic store, and the strategies of the kinds that differ."""
