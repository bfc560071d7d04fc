"""Prove, or disprove, that a DaemonSet controller keeps its promise."""
