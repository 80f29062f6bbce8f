"""The paper's estimator, for comparison only: what it is and how each rule is known stands in `estimate`."""

from compiler.paper.estimate import LABEL, TERMS, Estimate, estimate
from compiler.paper.network import Layer, Network, Tensor, View
from compiler.paper.reader import network_of
from compiler.paper.report import paper_json, paper_table

__all__ = [
    "LABEL",
    "TERMS",
    "Estimate",
    "Layer",
    "Network",
    "Tensor",
    "View",
    "estimate",
    "network_of",
    "paper_json",
    "paper_table",
]
