"""The settings of this worker or beat, read once at import. Faults are printed, and end the process."""

from config.settings import load_settings_or_exit

settings = load_settings_or_exit()
