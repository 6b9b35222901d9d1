"""What has a path of its own below an object, one file each, and resources that are not stored at all."""
