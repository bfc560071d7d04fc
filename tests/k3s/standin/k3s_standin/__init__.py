"""Inside the stand-in image: what answers to the k3s image's contract. No k3s, and it says so wherever it is asked."""

VERSION = "v1.36.2-stand-in"
"""What /version and the nodes' kubeletVersion say; k3s says +k3s1 there."""
