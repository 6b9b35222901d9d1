"""May you: RBAC and the Node authorizer."""
