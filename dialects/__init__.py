"""The dialects, one file each, named as the prefix of their operations."""
