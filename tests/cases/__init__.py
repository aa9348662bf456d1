"""Cases that several test files share; tests/conftest.py says which file holds what."""
