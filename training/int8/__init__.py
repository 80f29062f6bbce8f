"""Training with the array's rounding, zero blocks held at zero.

quantise          quantisation-aware training, on torchao's PT2E
array_quantizer   where the array rounds
observers         scales of weights and activations
norms             batch norms meanwhile, and folded in the end
graphs            exported programs by their operators
rounding          the last epochs of a run
"""
