"""Claims of a machine-learning guide, each put to a test that could have failed."""

__version__ = "0.1.0"
