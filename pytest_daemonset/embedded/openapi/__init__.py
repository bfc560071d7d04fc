"""What the server says of its objects' fields: OpenAPI v2 and v3, from the field tables."""

from pytest_daemonset.embedded.openapi.documents import OpenApi

__all__ = ["OpenApi"]
