"""Lists of task ids, as customers have them: CSV, JSON lines or bare ids, in any encoding, of any length.

The door is ``entries.read_entries``, fed by ``lines.lines_of``. ``duplicates`` finds ids that stand in a list twice.
"""
