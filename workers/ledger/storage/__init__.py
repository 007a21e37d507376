"""How the ledger is stored in Redis: its names, the Lua scripts that change it, and the compact form of a record.

Doors: ``keys`` names the records and sets, ``scripts.Scripted`` runs the scripts in ``lua/``, and ``stored_form`` turns
records into Redis's fields and back.
"""
