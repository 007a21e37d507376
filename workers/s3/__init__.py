"""Requests to an S3 server: clients and connections, signed headers, bodies sent past botocore, errors by meaning."""
