"""Services on loopback that speak the real wire formats, for rehearsals and tests."""
