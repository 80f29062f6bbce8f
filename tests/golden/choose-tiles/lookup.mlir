// bscc: --target aie2-2x2 --pass-pipeline 'choose-tiles'
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    %1 = "bsp.lookup"(%0) <{digest = "037e973db17b3bf8", quant = #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>, table = "table0"}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>>
    "nn.output"(%1) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "t", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "tile.alloc"() <{argument = 1 : i64, blocks = array<i64: 0, 1>, data = "", offset = -1 : i64, owner = "t0", rows = array<i64: 0, 4>, storage = #tile.storage<height = 4, width = 4, channels = 8, top = 0, bottom = 0, left = 0, right = 0, slack = 0, pad = 0, signed = true>, type = !tile.buffer<ddr, 128>}> : () -> !tile.buffer<ddr, 128>
    %1 = "tile.alloc"() <{argument = 2 : i64, blocks = array<i64: 0, 1>, data = "", offset = -1 : i64, owner = "t1", rows = array<i64: 0, 4>, storage = #tile.storage<height = 4, width = 4, channels = 8, top = 0, bottom = 0, left = 0, right = 0, slack = 0, pad = -128, signed = true>, type = !tile.buffer<ddr, 128>}> : () -> !tile.buffer<ddr, 128>
    "tile.port"(%0) <{direction = "input", host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>}> : (!tile.buffer<ddr, 128>) -> ()
    "tile.port"(%1) <{direction = "output", host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "t", onnx_shape = array<i64: 1, 8, 4, 4>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>}> : (!tile.buffer<ddr, 128>) -> ()
    %2 = "tile.alloc"() <{argument = -1 : i64, blocks = array<i64: 0, 1, 0, 1>, data = "", offset = -1 : i64, owner = "t0 for 0.0", rows = array<i64: 0, 2, 2, 4>, storage = #tile.storage<height = 4, width = 4, channels = 8, top = 0, bottom = 0, left = 0, right = 0, slack = 0, pad = 0, signed = true>, type = !tile.buffer<mem, 64>}> : () -> !tile.buffer<mem, 64>
    "tile.load"(%0, %2) <{epoch = 0 : i64}> : (!tile.buffer<ddr, 128>, !tile.buffer<mem, 64>) -> ()
    %3 = "tile.alloc"() <{argument = -1 : i64, blocks = array<i64: 0, 1, 0, 1>, data = "", offset = -1 : i64, owner = "t1 of 0.0", rows = array<i64: 0, 2, 2, 4>, storage = #tile.storage<height = 4, width = 4, channels = 8, top = 0, bottom = 0, left = 0, right = 0, slack = 0, pad = -128, signed = true>, type = !tile.buffer<mem, 64>}> : () -> !tile.buffer<mem, 64>
    "tile.run"(%2, %3) <{ahead = 1 : i64, at_blocks = array<i64: 0, 0>, core = #tile.core_layout<act = [0, 8192], act_bytes = 8192, work = [16384, 24576], work_bytes = 8192, out = [49152, 56768], out_bytes = 7616, acc = 32768, acc_bytes = 16384>, epoch = 0 : i64, extents = array<i64: 0, 2, 0, 1, 2, 4, 0, 1>, layer = #tile.layer<kernel = "lookup", channels = 8, out_height = 4, out_width = 4, out_channels = 8, window = [1, 1], strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], x_signed = true, y_signed = true, r_signed = true, x_zero = 0, r_zero = 0, mid = [0, 0, 0], out = [0, -128, 127], add = [0, 0, 0], operands = 1, weight = "", params = "table0", scale = [], kept_blocks = 0, counted_pads = [0, 0, 0, 0], exact = false, clips = false, combine_narrow = false, product = []>, layer_index = 0 : i64, mapping = #tile.mapping<columns_by = "rows", rows_by = "rows", rows = 1, width = 4, out_blocks = 1, in_blocks = 1, window_rows = 1, finish = "", shared = false>, packet_bytes = 512 : i64, senders = 1 : i64, slots = 63 : i64, steps = 1 : i64, title = "lookup.mlir:5:10", work_offset = -1 : i64}> : (!tile.buffer<mem, 64>, !tile.buffer<mem, 64>) -> ()
    "tile.store"(%3, %1) <{at_block = 0 : i64, epoch = 0 : i64}> : (!tile.buffer<mem, 64>, !tile.buffer<ddr, 128>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
