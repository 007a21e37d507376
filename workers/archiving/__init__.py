"""The steps of the story of an asset (``workers.archive``), which calls each module directly.

``checks`` checks the file's parts while they pass: kind, length of audio, end.
``facts`` has the results of the checks, and makes the object's metadata and the recorded fields.
``partial`` keeps short audio in the bucket, and reads it back when no longer file comes.
``outcome`` records how the attempt ended: archived, postponed, handed back, or given up.
"""
