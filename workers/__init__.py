"""The fleet: from an acknowledged callback to objects in the bucket. Start it with ``celery -A workers worker``."""
