"""The shapes of callback that the provider documents.

The door is ``catalogue.recognise``, which finds the family of a callback; ``catalogue`` lists all families. ``tracks``,
``separation``, ``jobs`` and ``single_files`` each name the files of some families.
"""
