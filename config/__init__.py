"""Configuration that every process of Stemvault reads at start.

The doors are ``settings.load_settings`` (every ``STEMVAULT_…`` variable, checked), ``layout.KeyLayout`` (the keys of
objects in the bucket) and ``logging.log_all_output`` (JSON lines). ``values`` and ``upload_args`` read single
variables, ``faults`` words their faults, ``addresses`` compares hosts, and ``gunicorn`` configures the server.
"""
