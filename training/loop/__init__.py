"""The training loop.

recipe              the numbers of a run
trainer             the loop itself, to be stopped and gone on with
checkpoint, logs    what a run writes
progress            how far it is
outputs             what a model must give for labelled images
processes           several GPUs
"""
