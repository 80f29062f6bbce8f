"""Training: from a dense model to a block-sparse one that kept its accuracy (`pip install 'bscc[train]'`).

blocks, layers       weights as blocks; which layers have some to prune, and why the others have none
masks                the mask of a layer, part of the model
importance, choose   scores of blocks; which are kept, exactly as many as asked
schedule, schemes    when masks change; how it is decided
sparsifier           BlockSparsifier: all of it behind one interface
data                 labelled images
onnx_reader          a float ONNX model as a module, and its weights back
recipe, trainer      the numbers of a training; its loop
outputs, progress    what a model must give for labelled images; how far a run is
checkpoint, logs     what a run writes
processes            several GPUs
quantise             training with the array's rounding, zeros held; over array_quantizer, observers, norms, graphs
export               ONNX, float or int8
zeros                what is zero, and the proof of it; over layer_weights
nets                 networks of the examples
"""
