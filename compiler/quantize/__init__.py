"""Quantisation: a float CNN becomes an int8 one; blocks of its weights become zero if that is asked.

    quantised = quantise(model, samples, Settings())

network, weights    a model by its tensors; its layers with weights, as blocks see them
fold                batch norms into convolutions
slopes              PReLU with a slope for each channel
regions             functions of one tensor and clamps: no Q or DQ inside
ranges, scales      what tensors hold on samples; the scales that follow
quantiser           all of it, around onnxruntime's quantiser
prune               what-if sparsity
samples             calibration data: arrays, folders of images, synthetic
accuracy            float against int8
"""

from compiler.quantize.network import is_quantised
from compiler.quantize.prune import Pruned, nothing_to_prune, prune_model, set_densities
from compiler.quantize.quantiser import Quantised, Settings, quantise

__all__ = [
    "Pruned",
    "Quantised",
    "Settings",
    "is_quantised",
    "nothing_to_prune",
    "prune_model",
    "quantise",
    "set_densities",
]
