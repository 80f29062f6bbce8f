// bscc: canonicalize
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 6, 6>, type = tensor<1x6x6x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x6x6x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.pad"(%0) <{pads = array<i64: 1, 2, 0, 1>}> : (tensor<1x6x6x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x7x9x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %2 = "nn.constant"() <{digest = "1952147eb6202659", scales = "c0.scales", symbol = "c0", type = tensor<8x3x3x8xi8>}> : () -> tensor<8x3x3x8xi8>
    %3 = "nn.qconv2d"(%1, %2) <{dilations = array<i64: 1, 1>, kernel = array<i64: 3, 3>, pads = array<i64: 0, 0, 1, 0>, quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, strides = array<i64: 1, 1>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x7x9x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<8x3x3x8xi8>) -> tensor<1x6x7x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %4 = "nn.qaverage_pool"(%1) <{count_include_pad = false, counted_pads = array<i64: 0, 0, 0, 0>, kernel = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, strides = array<i64: 2, 2>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x7x9x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x3x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %5 = "nn.max_pool"(%1) <{dilations = array<i64: 1, 1>, kernel = array<i64: 3, 3>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>}> : (tensor<1x7x9x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x5x7x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%3) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 8, 6, 7>}> : (tensor<1x6x7x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "nn.output"(%4) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y1", onnx_shape = array<i64: 1, 8, 3, 4>}> : (tensor<1x3x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "nn.output"(%5) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y2", onnx_shape = array<i64: 1, 8, 5, 7>}> : (tensor<1x5x7x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 6, 6>, type = tensor<1x6x6x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x6x6x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.pad"(%0) <{pads = array<i64: 1, 2, 0, 1>}> : (tensor<1x6x6x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x7x9x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %2 = "nn.constant"() <{digest = "1952147eb6202659", scales = "c0.scales", symbol = "c0", type = tensor<8x3x3x8xi8>}> : () -> tensor<8x3x3x8xi8>
    %3 = "nn.qconv2d"(%0, %2) <{dilations = array<i64: 1, 1>, kernel = array<i64: 3, 3>, pads = array<i64: 1, 2, 1, 1>, quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, strides = array<i64: 1, 1>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x6x6x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<8x3x3x8xi8>) -> tensor<1x6x7x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %4 = "nn.qaverage_pool"(%0) <{count_include_pad = true, counted_pads = array<i64: 1, 2, 0, 1>, kernel = array<i64: 2, 2>, pads = array<i64: 1, 2, 0, 1>, quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, strides = array<i64: 2, 2>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x6x6x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x3x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %5 = "nn.max_pool"(%1) <{dilations = array<i64: 1, 1>, kernel = array<i64: 3, 3>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>}> : (tensor<1x7x9x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x5x7x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%3) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 8, 6, 7>}> : (tensor<1x6x7x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "nn.output"(%4) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y1", onnx_shape = array<i64: 1, 8, 3, 4>}> : (tensor<1x3x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "nn.output"(%5) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y2", onnx_shape = array<i64: 1, 8, 5, 7>}> : (tensor<1x5x7x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
