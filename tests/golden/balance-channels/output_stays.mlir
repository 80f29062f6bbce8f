// bscc: --target aie2-2x2 --pass-pipeline 'balance-channels'
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 24, 4, 4>, type = tensor<1x4x4x24xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -7>>}> : () -> tensor<1x4x4x24xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -7>>
    %1 = "bsp.weight"() <{dense = false, digest = "981247db4883efb4", kernel = array<i64: 1, 1>, reason = "6 of 12 blocks are zero", symbol = "layer0", type = !bsp.mat<32x24x1x1xi8, block = 8x8, kept = 6, total = 12>}> : () -> !bsp.mat<32x24x1x1xi8, block = 8x8, kept = 6, total = 12>
    %2 = "bsp.conv2d"(%0, %1) <{digest = "bd515e5f71dbc34f", dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 7>, requant = "layer0", strides = array<i64: 1, 1>, x_zero = -7 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = 7 : i64}> : (tensor<1x4x4x24xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -7>>, !bsp.mat<32x24x1x1xi8, block = 8x8, kept = 6, total = 12>) -> tensor<1x4x4x32xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 7>>
    "nn.output"(%2) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 32, 4, 4>}> : (tensor<1x4x4x32xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 7>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 24, 4, 4>, type = tensor<1x4x4x24xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -7>>}> : () -> tensor<1x4x4x24xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -7>>
    %1 = "bsp.weight"() <{dense = false, digest = "981247db4883efb4", kernel = array<i64: 1, 1>, reason = "6 of 12 blocks are zero", symbol = "layer0", type = !bsp.mat<32x24x1x1xi8, block = 8x8, kept = 6, total = 12>}> : () -> !bsp.mat<32x24x1x1xi8, block = 8x8, kept = 6, total = 12>
    %2 = "bsp.conv2d"(%0, %1) <{digest = "bd515e5f71dbc34f", dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 7>, requant = "layer0", strides = array<i64: 1, 1>, x_zero = -7 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = 7 : i64}> : (tensor<1x4x4x24xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -7>>, !bsp.mat<32x24x1x1xi8, block = 8x8, kept = 6, total = 12>) -> tensor<1x4x4x32xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 7>>
    "nn.output"(%2) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 32, 4, 4>}> : (tensor<1x4x4x32xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 7>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
