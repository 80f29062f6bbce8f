// bscc: block-compaction
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -22>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -22>>
    %1 = "nn.constant"() <{digest = "a36731aa80d1bd7d", scales = "weight0.scales", symbol = "weight0", type = tensor<16x1x1x8xi16>}> : () -> tensor<16x1x1x8xi16>
    %2 = "nn.constant"() <{digest = "f2d4a9ff57cc11ee", scales = "bias1.scales", symbol = "bias1", type = tensor<16xi32>}> : () -> tensor<16xi32>
    %3 = "nn.qconv2d"(%0, %1, %2) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -28>, strides = array<i64: 1, 1>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -22>>, tensor<16x1x1x8xi16>, tensor<16xi32>) -> tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -28>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 16, 4, 4>}> : (tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -28>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -22>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -22>>
    %1 = "bsp.weight"() <{again = 2 : i64, dense = true, digest = "86950f1230fa83f1", kernel = array<i64: 1, 1>, reason = "no block is zero; 2 blocks twice, as their weights need more than 8 bits", symbol = "layer0", type = !bsp.mat<16x8x1x1xi8, block = 8x8, kept = 2, total = 2>}> : () -> !bsp.mat<16x8x1x1xi8, block = 8x8, kept = 2, total = 2>
    %2 = "bsp.conv2d"(%0, %1) <{digest = "f2d413a8ae6cf726", dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -28>, requant = "layer0", strides = array<i64: 1, 1>, x_zero = -22 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = -28 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -22>>, !bsp.mat<16x8x1x1xi8, block = 8x8, kept = 2, total = 2>) -> tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -28>>
    "nn.output"(%2) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 16, 4, 4>}> : (tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -28>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
