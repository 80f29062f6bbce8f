// bscc: block-compaction
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 16, 4, 4>, type = tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -18>>}> : () -> tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -18>>
    %1 = "nn.constant"() <{digest = "4acf2f1f75571062", scales = "weight0.scales", symbol = "weight0", type = tensor<32x1x1x8xi8>}> : () -> tensor<32x1x1x8xi8>
    %2 = "nn.constant"() <{digest = "4dddfe461d3499bb", scales = "bias1.scales", symbol = "bias1", type = tensor<32xi32>}> : () -> tensor<32xi32>
    %3 = "nn.qconv2d"(%0, %1, %2) <{dilations = array<i64: 1, 1>, group = 2 : i64, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -57>, strides = array<i64: 1, 1>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -18>>, tensor<32x1x1x8xi8>, tensor<32xi32>) -> tensor<1x4x4x32xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -57>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 32, 4, 4>}> : (tensor<1x4x4x32xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -57>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 16, 4, 4>, type = tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -18>>}> : () -> tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -18>>
    %1 = "bsp.weight"() <{dense = true, digest = "f1a98ff9e92b66d3", group = 2 : i64, kernel = array<i64: 1, 1>, reason = "no block is zero; 2 groups of 16x8 channels fill 100% of the blocks they touch", symbol = "layer0", type = !bsp.mat<32x16x1x1xi8, block = 8x8, kept = 4, total = 4>}> : () -> !bsp.mat<32x16x1x1xi8, block = 8x8, kept = 4, total = 4>
    %2 = "bsp.conv2d"(%0, %1) <{digest = "4ddd5e5f71db075f", dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -57>, requant = "layer0", strides = array<i64: 1, 1>, x_zero = -18 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = -57 : i64}> : (tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -18>>, !bsp.mat<32x16x1x1xi8, block = 8x8, kept = 4, total = 4>) -> tensor<1x4x4x32xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -57>>
    "nn.output"(%2) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 32, 4, 4>}> : (tensor<1x4x4x32xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -57>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
