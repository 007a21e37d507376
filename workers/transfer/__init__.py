"""Memory on its way from source to bucket: parts, one budget for all buffers, and how much a worker carries."""
