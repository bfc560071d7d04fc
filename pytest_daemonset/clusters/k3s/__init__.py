"""k3s in containers: a server, and agents that really join and leave."""
