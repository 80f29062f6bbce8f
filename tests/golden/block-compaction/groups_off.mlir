// bscc: block-compaction{mode=off}
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 32, 4, 4>, type = tensor<1x4x4x32xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 6>>}> : () -> tensor<1x4x4x32xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 6>>
    %1 = "nn.constant"() <{digest = "a7e5a434716f6233", scales = "weight0.scales", symbol = "weight0", type = tensor<32x1x1x16xi8>}> : () -> tensor<32x1x1x16xi8>
    %2 = "nn.constant"() <{digest = "82899dc73159a0bf", scales = "bias1.scales", symbol = "bias1", type = tensor<32xi32>}> : () -> tensor<32xi32>
    %3 = "nn.qconv2d"(%0, %1, %2) <{dilations = array<i64: 1, 1>, group = 2 : i64, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -57>, strides = array<i64: 1, 1>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x32xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 6>>, tensor<32x1x1x16xi8>, tensor<32xi32>) -> tensor<1x4x4x32xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -57>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 32, 4, 4>}> : (tensor<1x4x4x32xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -57>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 32, 4, 4>, type = tensor<1x4x4x32xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 6>>}> : () -> tensor<1x4x4x32xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 6>>
    %1 = "bsp.weight"() <{dense = true, digest = "78ad7ef398493831", group = 2 : i64, kernel = array<i64: 1, 1>, reason = "block-compaction{mode=off}; 2 groups of 16x16 channels fill 100% of the blocks they touch", symbol = "layer0", type = !bsp.mat<32x32x1x1xi8, block = 8x8, kept = 8, total = 8>}> : () -> !bsp.mat<32x32x1x1xi8, block = 8x8, kept = 8, total = 8>
    %2 = "bsp.conv2d"(%0, %1) <{digest = "82895e5f71dbe723", dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -57>, requant = "layer0", strides = array<i64: 1, 1>, x_zero = 6 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = -57 : i64}> : (tensor<1x4x4x32xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 6>>, !bsp.mat<32x32x1x1xi8, block = 8x8, kept = 8, total = 8>) -> tensor<1x4x4x32xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -57>>
    "nn.output"(%2) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 32, 4, 4>}> : (tensor<1x4x4x32xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -57>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
