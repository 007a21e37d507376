"""Parts of the story of an asset (``workers.archive``) that use the worker's context.

``partial`` keeps audio that is shorter than announced, so that it can be stored when no longer file comes.
"""
