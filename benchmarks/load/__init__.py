"""Many users at once against the whole system on this machine."""
