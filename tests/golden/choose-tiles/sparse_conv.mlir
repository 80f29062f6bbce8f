// bscc: --target aie2-2x2 --pass-pipeline 'choose-tiles'
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 16, 4, 4>, type = tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>}> : () -> tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %1 = "bsp.weight"() <{dense = false, digest = "52c90e447c4ad582", kernel = array<i64: 1, 1>, reason = "2 of 4 blocks are zero", symbol = "layer0", type = !bsp.mat<16x16x1x1xi8, block = 8x8, kept = 2, total = 4>}> : () -> !bsp.mat<16x16x1x1xi8, block = 8x8, kept = 2, total = 4>
    %2 = "bsp.conv2d"(%0, %1) <{digest = "f90e13a8ac35", dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -56>, requant = "layer0", strides = array<i64: 1, 1>, x_zero = -15 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = -56 : i64}> : (tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>, !bsp.mat<16x16x1x1xi8, block = 8x8, kept = 2, total = 4>) -> tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -56>>
    "nn.output"(%2) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 16, 4, 4>}> : (tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -56>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "tile.alloc"() <{argument = 1 : i64, blocks = array<i64: 0, 2>, data = "", offset = -1 : i64, owner = "t0", rows = array<i64: 0, 4>, storage = #tile.storage<height = 4, width = 4, channels = 16, top = 0, bottom = 0, left = 0, right = 0, pad = -15, signed = true>, type = !tile.buffer<ddr, 256>}> : () -> !tile.buffer<ddr, 256>
    %1 = "tile.alloc"() <{argument = 2 : i64, blocks = array<i64: 0, 2>, data = "", offset = -1 : i64, owner = "t1", rows = array<i64: 0, 4>, storage = #tile.storage<height = 4, width = 4, channels = 16, top = 0, bottom = 0, left = 0, right = 0, pad = -56, signed = true>, type = !tile.buffer<ddr, 256>}> : () -> !tile.buffer<ddr, 256>
    "tile.port"(%0) <{direction = "input", host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 16, 4, 4>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>}> : (!tile.buffer<ddr, 256>) -> ()
    "tile.port"(%1) <{direction = "output", host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 16, 4, 4>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -56>}> : (!tile.buffer<ddr, 256>) -> ()
    %2 = "tile.alloc"() <{argument = -1 : i64, blocks = array<i64: 0, 2, 0, 2>, data = "", offset = -1 : i64, owner = "t0 for 0.0", rows = array<i64: 0, 2, 2, 4>, storage = #tile.storage<height = 4, width = 4, channels = 16, top = 0, bottom = 0, left = 0, right = 0, pad = -15, signed = true>, type = !tile.buffer<mem, 128>}> : () -> !tile.buffer<mem, 128>
    "tile.load"(%0, %2) <{epoch = 0 : i64}> : (!tile.buffer<ddr, 256>, !tile.buffer<mem, 128>) -> ()
    %3 = "tile.alloc"() <{argument = -1 : i64, blocks = array<i64: 0, 2, 0, 2>, data = "", offset = -1 : i64, owner = "t1 of 0.0", rows = array<i64: 0, 2, 2, 4>, storage = #tile.storage<height = 4, width = 4, channels = 16, top = 0, bottom = 0, left = 0, right = 0, pad = -56, signed = true>, type = !tile.buffer<mem, 128>}> : () -> !tile.buffer<mem, 128>
    "tile.run"(%2, %3) <{at_blocks = array<i64: 0, 0>, core = #tile.core_layout<act = [0, 16384], act_bytes = 16384, work = [32768, 40960], work_bytes = 8192, out = [49152, 51680], out_bytes = 2528, acc = 54208, acc_bytes = 10112>, epoch = 0 : i64, extents = array<i64: 0, 2, 0, 2, 2, 4, 0, 2>, layer = #tile.layer<kernel = "conv", channels = 16, out_height = 4, out_width = 4, out_channels = 16, window = [1, 1], strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], x_signed = true, y_signed = true, r_signed = true, x_zero = -15, r_zero = 0, mid = [0, 0, 0], out = [-56, -128, 127], add = [0, 0, 0], operands = 1, weight = "layer0", params = "layer0", scale = [], kept_blocks = 2, counted_pads = [0, 0, 0, 0]>, layer_index = 0 : i64, mapping = #tile.mapping<columns_by = "rows", rows_by = "rows", rows = 1, width = 4, out_blocks = 2, in_blocks = 2, window_rows = 1>, packet_bytes = 576 : i64, senders = 1 : i64, slots = 16 : i64, title = "sparse_conv.mlir:6:10", work_offset = -1 : i64}> : (!tile.buffer<mem, 128>, !tile.buffer<mem, 128>) -> ()
    "tile.store"(%3, %1) <{at_block = 0 : i64, epoch = 0 : i64}> : (!tile.buffer<mem, 128>, !tile.buffer<ddr, 256>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
