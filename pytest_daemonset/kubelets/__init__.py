"""A program: the virtual kubelets of all virtual nodes, commanded in JSON lines over its standard input.

It imports nothing of the house. Start it as ``python -m pytest_daemonset.kubelets --kubeconfig FILE``.
"""
