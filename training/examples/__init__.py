"""Networks defined in PyTorch, trained dense, made sparse and exported: `python -m training.examples.resnet8`."""

from training.talk import begin

begin()
