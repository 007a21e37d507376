"""The ``stemvault`` command: ``main`` parses it, and one module each carries out a subcommand."""
