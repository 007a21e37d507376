"""Configuration that every process of Stemvault reads at start.

The doors are ``settings.load_settings`` (every ``STEMVAULT_…`` variable, checked), ``layout.KeyLayout`` (the keys of
objects in the bucket) and ``logging.log_all_output`` (JSON lines). The package ``values`` reads single variables,
``addresses`` compares hosts, and ``gunicorn`` and ``console_gunicorn`` configure the servers.
"""
