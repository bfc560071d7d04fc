"""The thin API client, the kubeconfig that it needs, and the reader of the audit log."""
