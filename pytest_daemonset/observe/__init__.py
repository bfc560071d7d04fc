"""List and watch into histories and cuts, and what a test may ask of them: eventually, stays, always, never, barrier."""
