"""What a workspace's own clicks say about its texts."""
