"""The plan directory of docs/plan-format.md, read and written."""

from compiler.plan.names import (
    CHANNEL_BLOCK,
    CONSTANTS,
    CONTROL,
    COSTS,
    INPUTS,
    LAYERS,
    MANIFEST,
    OUTPUTS,
    PAPER,
    PROGRAM,
    PROGRAM_LISTING,
    SCHEMA,
    SCRATCH,
    WEIGHTS,
    json_bytes,
)
from compiler.plan.reading import Plan
from compiler.plan.tensors import PlanTensor, Storage
from compiler.plan.writing import check_replaceable, write_plan

__all__ = [
    "CHANNEL_BLOCK",
    "CONSTANTS",
    "CONTROL",
    "COSTS",
    "INPUTS",
    "LAYERS",
    "MANIFEST",
    "OUTPUTS",
    "PAPER",
    "PROGRAM",
    "PROGRAM_LISTING",
    "SCHEMA",
    "SCRATCH",
    "WEIGHTS",
    "Plan",
    "PlanTensor",
    "Storage",
    "check_replaceable",
    "json_bytes",
    "write_plan",
]
