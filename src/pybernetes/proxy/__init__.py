"""Routes Service addresses to Pods with one nftables table."""
