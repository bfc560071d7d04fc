"""A proxy between a controller and its API server: all passes as it is, but for the faults that a test asks for."""
