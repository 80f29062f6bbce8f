// bscc: block-compaction
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 12, 4, 4>, type = tensor<1x4x4x12xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -11>>}> : () -> tensor<1x4x4x12xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -11>>
    %1 = "nn.constant"() <{digest = "530448b4609152c9", scales = "weight0.scales", symbol = "weight0", type = tensor<20x1x1x3xi8>}> : () -> tensor<20x1x1x3xi8>
    %2 = "nn.constant"() <{digest = "2e956fd33170ed39", scales = "bias1.scales", symbol = "bias1", type = tensor<20xi32>}> : () -> tensor<20xi32>
    %3 = "nn.qconv2d"(%0, %1, %2) <{dilations = array<i64: 1, 1>, group = 4 : i64, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -39>, strides = array<i64: 1, 1>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x12xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -11>>, tensor<20x1x1x3xi8>, tensor<20xi32>) -> tensor<1x4x4x20xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -39>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 20, 4, 4>}> : (tensor<1x4x4x20xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -39>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 12, 4, 4>, type = tensor<1x4x4x12xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -11>>}> : () -> tensor<1x4x4x12xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -11>>
    %1 = "bsp.weight"() <{dense = true, digest = "660e630ccb9af5d7", group = 4 : i64, kernel = array<i64: 1, 1>, reason = "no block is zero; 4 groups of 5x3 channels fill 23% of the blocks they touch", symbol = "layer0", type = !bsp.mat<20x12x1x1xi8, block = 8x8, kept = 4, total = 4>}> : () -> !bsp.mat<20x12x1x1xi8, block = 8x8, kept = 4, total = 4>
    %2 = "bsp.conv2d"(%0, %1) <{digest = "de6703c7e759bfe9", dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -39>, requant = "layer0", strides = array<i64: 1, 1>, x_zero = -11 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = -39 : i64}> : (tensor<1x4x4x12xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -11>>, !bsp.mat<20x12x1x1xi8, block = 8x8, kept = 4, total = 4>) -> tensor<1x4x4x20xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -39>>
    "nn.output"(%2) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 20, 4, 4>}> : (tensor<1x4x4x20xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -39>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
