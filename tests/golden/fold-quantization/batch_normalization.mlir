// bscc: fold-quantization
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xf32>}> : () -> tensor<1x4x4x8xf32>
    %1 = "nn.quantize"(%0) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>
    %2 = "nn.dequantize"(%1) : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>) -> tensor<1x4x4x8xf32>
    %3 = "nn.constant"() <{digest = "8df8fdcd94cef636", scales = "weight0.scales", symbol = "weight0", type = tensor<8x1x1x8xi8>}> : () -> tensor<8x1x1x8xi8>
    %4 = "nn.constant"() <{digest = "c812a05ddc8fdbc5", scales = "bias1.scales", symbol = "bias1", type = tensor<8xi32>}> : () -> tensor<8xi32>
    %5 = "nn.conv2d"(%2, %3, %4) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>}> : (tensor<1x4x4x8xf32>, tensor<8x1x1x8xi8>, tensor<8xi32>) -> tensor<1x4x4x8xf32>
    %6 = "nn.constant"() <{digest = "cdf0fa8a7e5b925f", scales = "weight2.scales", symbol = "weight2", type = tensor<8x1x1x8xi8>}> : () -> tensor<8x1x1x8xi8>
    %7 = "nn.constant"() <{digest = "7c9e3199f6b032bb", symbol = "bias3", type = tensor<8xf32>}> : () -> tensor<8xf32>
    %8 = "nn.conv2d"(%2, %6, %7) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>}> : (tensor<1x4x4x8xf32>, tensor<8x1x1x8xi8>, tensor<8xf32>) -> tensor<1x4x4x8xf32>
    %9 = "nn.quantize"(%8) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -16>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -16>>
    %10 = "nn.dequantize"(%9) : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -16>>) -> tensor<1x4x4x8xf32>
    "nn.output"(%10) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_7_out", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xf32>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>
    %1 = "nn.constant"() <{digest = "cdf0fa8a7e5b925f", scales = "weight2.scales", symbol = "weight2", type = tensor<8x1x1x8xi8>}> : () -> tensor<8x1x1x8xi8>
    %2 = "nn.constant"() <{digest = "345e44b4432c1a47", symbol = "bias3.int", type = tensor<8xi32>}> : () -> tensor<8xi32>
    %3 = "nn.qconv2d"(%0, %1, %2) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -16>, strides = array<i64: 1, 1>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>, tensor<8x1x1x8xi8>, tensor<8xi32>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -16>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_7_out", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -16>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
