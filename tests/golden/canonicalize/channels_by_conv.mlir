// bscc: canonicalize
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.channels"(%0) <{index = array<i64: 3, -1, 0>}> : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x3xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %2 = "nn.channels"(%1) <{index = array<i64: 2, 1, 0, 0>}> : (tensor<1x4x4x3xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x4xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%2) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 4, 4, 4>}> : (tensor<1x4x4x4xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.constant"() <{digest = "0d0394a62d694ff0", scales = "channels4.scales", symbol = "channels4", type = tensor<4x1x1x8xi8>}> : () -> tensor<4x1x1x8xi8>
    %2 = "nn.qconv2d"(%0, %1) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, strides = array<i64: 1, 1>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<4x1x1x8xi8>) -> tensor<1x4x4x4xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%2) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 4, 4, 4>}> : (tensor<1x4x4x4xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
