"""Labelled images for training: where they come from, how they come in batches.

sets                what a set is; in memory, in files, a part of another; train and test
arrays, idx         sets in .npz files; Fashion-MNIST
folders, cifar      one folder for each class; CIFAR-10 as JPEG files
sources             a set by what a user writes
batches             batches of a shuffled set, over several processes, from any step
transforms          pixels to numbers, crops and flips

Only `batches` and `transforms` import torch.
"""
