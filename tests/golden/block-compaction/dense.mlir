// bscc: block-compaction
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 16, 4, 4>, type = tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>}> : () -> tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %1 = "nn.constant"() <{digest = "5d82cf19b573e0b8", scales = "weight0.scales", symbol = "weight0", type = tensor<16x1x1x16xi8>}> : () -> tensor<16x1x1x16xi8>
    %2 = "nn.constant"() <{digest = "28093b2044d24a40", scales = "bias1.scales", symbol = "bias1", type = tensor<16xi32>}> : () -> tensor<16xi32>
    %3 = "nn.qconv2d"(%0, %1, %2) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -19>, strides = array<i64: 1, 1>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>, tensor<16x1x1x16xi8>, tensor<16xi32>) -> tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -19>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 16, 4, 4>}> : (tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -19>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 16, 4, 4>, type = tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>}> : () -> tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %1 = "bsp.weight"() <{dense = true, digest = "2dfbc0b66a04f97c", kernel = array<i64: 1, 1>, reason = "no block is zero", symbol = "layer0", type = !bsp.mat<16x16x1x1xi8, block = 8x8, kept = 4, total = 4>}> : () -> !bsp.mat<16x16x1x1xi8, block = 8x8, kept = 4, total = 4>
    %2 = "bsp.conv2d"(%0, %1) <{digest = "280913a8ae6cac35", dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -19>, requant = "layer0", strides = array<i64: 1, 1>, x_zero = -15 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = -19 : i64}> : (tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>, !bsp.mat<16x16x1x1xi8, block = 8x8, kept = 4, total = 4>) -> tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -19>>
    "nn.output"(%2) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 16, 4, 4>}> : (tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -19>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
