// bscc: block-compaction
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 12, 4, 4>, type = tensor<1x4x4x12xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -1>>}> : () -> tensor<1x4x4x12xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -1>>
    %1 = "nn.constant"() <{digest = "0fb7652c72074088", scales = "weight0.scales", symbol = "weight0", type = tensor<12x3x3x1xi8>}> : () -> tensor<12x3x3x1xi8>
    %2 = "nn.constant"() <{digest = "232a0f05950f8b14", scales = "bias1.scales", symbol = "bias1", type = tensor<12xi32>}> : () -> tensor<12xi32>
    %3 = "nn.qconv2d"(%0, %1, %2) <{dilations = array<i64: 1, 1>, group = 12 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -24>, strides = array<i64: 1, 1>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x12xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -1>>, tensor<12x3x3x1xi8>, tensor<12xi32>) -> tensor<1x4x4x12xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -24>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 12, 4, 4>}> : (tensor<1x4x4x12xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -24>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 12, 4, 4>, type = tensor<1x4x4x12xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -1>>}> : () -> tensor<1x4x4x12xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -1>>
    %1 = "bsp.weight"() <{dense = true, digest = "852c284a6a5cca65", kernel = array<i64: 3, 3>, reason = "depthwise: no 8x8 block has more than 8 weights", symbol = "layer0", type = !bsp.mat<12x1x3x3xi8, block = 8x1, kept = 18, total = 18>}> : () -> !bsp.mat<12x1x3x3xi8, block = 8x1, kept = 18, total = 18>
    %2 = "bsp.depthwise"(%0, %1) <{digest = "9f334edbae6c5bbf", dilations = array<i64: 1, 1>, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -24>, requant = "layer0", strides = array<i64: 1, 1>, x_zero = -1 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = -24 : i64}> : (tensor<1x4x4x12xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -1>>, !bsp.mat<12x1x3x3xi8, block = 8x1, kept = 18, total = 18>) -> tensor<1x4x4x12xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -24>>
    "nn.output"(%2) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 12, 4, 4>}> : (tensor<1x4x4x12xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -24>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
