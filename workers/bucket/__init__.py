"""The customer's bucket: each object is written once, as a whole or not at all.

The doors are ``documents.Documents`` for small objects, and ``store.Store``, which adds assets. ``requests`` sends the
single S3 requests, ``multipart`` runs multipart uploads, ``checksums`` computes the checksums of bodies, ``guarantees``
records which checks this store makes, and ``examination`` tests them.
"""
