"""What every process of Stemvault reads at start: settings, key layout, logging."""
