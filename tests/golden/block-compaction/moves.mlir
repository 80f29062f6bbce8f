// bscc: block-compaction
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 24, 4, 4>, type = tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.channels"(%0) <{index = array<i64: 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19>}> : (tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x12xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %2 = "nn.pad"(%1) <{pads = array<i64: 1, 0, 0, 2>}> : (tensor<1x4x4x12xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x5x6x12xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %3 = "nn.interleave"(%2, %2) <{steps = array<i64: 2, 1>}> : (tensor<1x5x6x12xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<1x5x6x12xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x10x6x12xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%3) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 12, 10, 6>}> : (tensor<1x10x6x12xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 24, 4, 4>, type = tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "bsp.blocks"(%0) <{channels = 12 : i64, first = 1 : i64}> : (tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x12xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %2 = "bsp.avg_pool"(%1) <{count_include_pad = true, counted_pads = array<i64: 1, 0, 0, 2>, digest = "9ae0165c7ba4", kernel = array<i64: 1, 1>, pads = array<i64: 1, 0, 0, 2>, quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, scales = "layer0", strides = array<i64: 1, 1>, x_zero = 3 : i64, y_max = 255 : i64, y_min = 0 : i64, y_zero = 3 : i64}> : (tensor<1x4x4x12xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x5x6x12xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %3 = "bsp.interleave"(%2, %2) <{steps = array<i64: 2, 1>}> : (tensor<1x5x6x12xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<1x5x6x12xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x10x6x12xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%3) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 12, 10, 6>}> : (tensor<1x10x6x12xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
