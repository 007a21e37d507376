"""The settings of this worker or beat, read once. A fault in them is printed and ends the process."""

from config.settings import load_settings_or_exit

settings = load_settings_or_exit()
