"""Training: from a dense model to a block-sparse one that kept its accuracy (`pip install 'bscc[train]'`).

blocks, layers       weights as blocks; which layers have some to prune, and why the others have none
masks                the mask of a layer, part of the model
importance, choose   scores of blocks; which are kept, exactly as many as asked
schedule, schemes    when masks change; how it is decided
sparsifier           BlockSparsifier: all of it behind one interface
data                 labelled images
norms                batch norms for the time of the training, where there are none
onnx_reader          a float ONNX model as a module, and its weights back
loop                 the training loop and what it writes
search               a ratio for each layer, for a cost
int8                 training with the array's rounding, zeros held
export               ONNX, float or int8
zeros                what is zero, and the proof of it; over layer_weights
job                  a whole sparsification
nets, examples       networks, and programs that train them
"""
