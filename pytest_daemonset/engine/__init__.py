"""The container engine: containers and networks made under the keeper's eye, and an image that needs no registry."""
