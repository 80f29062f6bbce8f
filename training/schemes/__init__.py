"""The schemes by name: how it is decided which blocks are zero.

base        what a scheme is; the order of its calls
ranked      predetermined, incremental, movement: blocks ranked by a measure of importance
trained     what schemes with trained numbers share
supermask   scores trained with the weights, the best kept
gates       trainable gates, held on the ramp
lasso       group lasso by proximal steps
admm        weights pulled towards their projection
regrow      sparse to sparse: RigL and SET
"""

from compiler.errors import Diagnostic, UsageError, nearest
from training.schemes.admm import ADMM
from training.schemes.base import Plan, Scheme, Site
from training.schemes.gates import Gates
from training.schemes.lasso import GroupLasso
from training.schemes.ranked import Incremental, MovementPruning, Predetermined
from training.schemes.regrow import SET, RigL
from training.schemes.supermask import Supermask

SCHEMES: dict[str, type[Scheme]] = {
    one.name: one
    for one in (Predetermined, Incremental, MovementPruning, Supermask, Gates, GroupLasso, ADMM, RigL, SET)
}

__all__ = ["SCHEMES", "Plan", "Scheme", "Site", "scheme_named"]


def scheme_named(name: str) -> type[Scheme]:
    """The scheme of that name."""
    if name not in SCHEMES:
        help = nearest(name, SCHEMES)
        raise UsageError(Diagnostic("prune-scheme", f"there is no scheme '{name}'", help=help))
    return SCHEMES[name]
