"""Who are you: certificates and tokens become a user."""
