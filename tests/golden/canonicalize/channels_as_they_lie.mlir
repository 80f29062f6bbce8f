// bscc: canonicalize
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.constant"() <{digest = "e44b9e984316e847", scales = "c0.scales", symbol = "c0", type = tensor<24x1x1x8xi8>}> : () -> tensor<24x1x1x8xi8>
    %2 = "nn.qconv2d"(%0, %1) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, strides = array<i64: 1, 1>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<24x1x1x8xi8>) -> tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %3 = "nn.channels"(%2) <{index = array<i64: 0, 1, 2, 3, 4, 5, 6, 7>}> : (tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %4 = "nn.channels"(%2) <{index = array<i64: 8, 9, 10, 11, 12, 13, 14, 15>}> : (tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %5 = "nn.channels"(%2) <{index = array<i64: 16, 17, 18, 19, 20, 21, 22, 23>}> : (tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %6 = "nn.concat"(%4, %5, %0) : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %7 = "nn.constant"() <{digest = "4d01a56e7a660f38", scales = "c1.scales", symbol = "c1", type = tensor<8x1x1x8xi8>}> : () -> tensor<8x1x1x8xi8>
    %8 = "nn.qconv2d"(%3, %7) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, strides = array<i64: 1, 1>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<8x1x1x8xi8>) -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%6) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 24, 4, 4>}> : (tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "nn.output"(%8) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y1", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.constant"() <{digest = "e44b9e984316e847", scales = "c0.scales", symbol = "c0", type = tensor<24x1x1x8xi8>}> : () -> tensor<24x1x1x8xi8>
    %2 = "nn.qconv2d"(%0, %1) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, strides = array<i64: 1, 1>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<24x1x1x8xi8>) -> tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %3 = "nn.channels"(%2) <{index = array<i64: 0, 1, 2, 3, 4, 5, 6, 7>}> : (tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %4 = "nn.channels"(%2) <{index = array<i64: 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23>}> : (tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %5 = "nn.concat"(%4, %0) : (tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %6 = "nn.constant"() <{digest = "4d01a56e7a660f38", scales = "c1.scales", symbol = "c1", type = tensor<8x1x1x8xi8>}> : () -> tensor<8x1x1x8xi8>
    %7 = "nn.qconv2d"(%3, %6) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, strides = array<i64: 1, 1>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<8x1x1x8xi8>) -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%5) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 24, 4, 4>}> : (tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "nn.output"(%7) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y1", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
