// bscc: fuse-epilogue
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %1 = "bsp.weight"() <{dense = true, digest = "7d45aecd92896d49", kernel = array<i64: 1, 1>, reason = "no block is zero", symbol = "layer0", type = !bsp.mat<8x8x1x1xi8, block = 8x8, kept = 1, total = 1>}> : () -> !bsp.mat<8x8x1x1xi8, block = 8x8, kept = 1, total = 1>
    %2 = "bsp.conv2d"(%0, %1) <{digest = "821b6612aa9bce1c", dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -37>, requant = "layer0", strides = array<i64: 1, 1>, x_zero = -15 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = -37 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>, !bsp.mat<8x8x1x1xi8, block = 8x8, kept = 1, total = 1>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -37>>
    %3 = "bsp.add"(%2, %2) <{a_zero = -37 : i64, add = array<i64: 1, 1, 1>, b_zero = -37 : i64, quant = #nn.quant<element = i8, mantissa = 1, exponent = -3, zero = -37>, y_max = 127 : i64, y_min = -128 : i64, y_zero = -37 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -37>>, tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -37>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -3, zero = -37>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_9_out", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -3, zero = -37>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %1 = "bsp.weight"() <{dense = true, digest = "7d45aecd92896d49", kernel = array<i64: 1, 1>, reason = "no block is zero", symbol = "layer0", type = !bsp.mat<8x8x1x1xi8, block = 8x8, kept = 1, total = 1>}> : () -> !bsp.mat<8x8x1x1xi8, block = 8x8, kept = 1, total = 1>
    %2 = "bsp.conv2d"(%0, %1) <{digest = "821b6612aa9bce1c", dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -37>, requant = "layer0", strides = array<i64: 1, 1>, x_zero = -15 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = -37 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>, !bsp.mat<8x8x1x1xi8, block = 8x8, kept = 1, total = 1>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -37>>
    %3 = "bsp.add"(%2, %2) <{a_zero = -37 : i64, add = array<i64: 1, 1, 1>, b_zero = -37 : i64, quant = #nn.quant<element = i8, mantissa = 1, exponent = -3, zero = -37>, y_max = 127 : i64, y_min = -128 : i64, y_zero = -37 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -37>>, tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -37>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -3, zero = -37>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_9_out", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -3, zero = -37>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
