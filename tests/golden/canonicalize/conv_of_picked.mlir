// bscc: canonicalize
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 9, 8>, type = tensor<1x9x8x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x9x8x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.max_pool"(%0) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 2, 2>}> : (tensor<1x9x8x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x5x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %2 = "nn.constant"() <{digest = "a0efdb1a6c2a585e", scales = "c0.scales", symbol = "c0", type = tensor<8x1x1x8xi8>}> : () -> tensor<8x1x1x8xi8>
    %3 = "nn.qconv2d"(%1, %2) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, strides = array<i64: 1, 1>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x5x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<8x1x1x8xi8>) -> tensor<1x5x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%3) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 8, 5, 4>}> : (tensor<1x5x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 9, 8>, type = tensor<1x9x8x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x9x8x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.constant"() <{digest = "a0efdb1a6c2a585e", scales = "c0.scales", symbol = "c0", type = tensor<8x1x1x8xi8>}> : () -> tensor<8x1x1x8xi8>
    %2 = "nn.qconv2d"(%0, %1) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, strides = array<i64: 2, 2>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x9x8x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<8x1x1x8xi8>) -> tensor<1x5x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%2) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 8, 5, 4>}> : (tensor<1x5x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
