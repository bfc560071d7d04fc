"""Nodes that join and leave: the verbs of a test, and who makes them true."""

from __future__ import annotations

from pytest_daemonset.nodes.baseline import Baseline
from pytest_daemonset.nodes.node import Node
from pytest_daemonset.nodes.nodes import Nodes
from pytest_daemonset.nodes.pool import NodePool
from pytest_daemonset.nodes.provider import NodeProvider
from pytest_daemonset.nodes.spec import NodeSpec, Taint
from pytest_daemonset.nodes.virtual import VirtualNodes

__all__ = ["Baseline", "Node", "NodePool", "NodeProvider", "NodeSpec", "Nodes", "Taint", "VirtualNodes"]
