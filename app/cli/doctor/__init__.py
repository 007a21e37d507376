"""``stemvault doctor``: findings about the settings, Redis, the bucket and the fleet, each with its remedy.

The doors are ``examination.examine`` (a line a finding) and ``examination.examine_as_json``. The findings come from
``variables`` (settings), ``broker`` (Redis and the ledger in it), ``fleet`` (workers and clocks), ``provider`` and
``store`` (the bucket).
"""
