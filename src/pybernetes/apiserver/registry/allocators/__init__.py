"""Who has which cluster IP and which node port: recorded in the store, so that several API servers agree."""
