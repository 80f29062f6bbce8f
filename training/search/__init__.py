"""A ratio of zero blocks for each layer, for a cost of the whole.

sensitivity   what each layer loses
costs         what each layer costs: blocks, multiplications, or time, from a file
allocate      the best choice
"""
