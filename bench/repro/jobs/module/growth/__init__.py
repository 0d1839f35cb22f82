"""Models of how a population grows."""
