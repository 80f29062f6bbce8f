// bscc: block-compaction
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 16, 4, 4>, type = tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>}> : () -> tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %1 = "nn.constant"() <{digest = "ff7b83130a9b59b2", scales = "weight0.scales", symbol = "weight0", type = tensor<16x1x1x16xi8>}> : () -> tensor<16x1x1x16xi8>
    %2 = "nn.constant"() <{digest = "f90e15f643ac2d1c", scales = "bias1.scales", symbol = "bias1", type = tensor<16xi32>}> : () -> tensor<16xi32>
    %3 = "nn.qconv2d"(%0, %1, %2) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -56>, strides = array<i64: 1, 1>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>, tensor<16x1x1x16xi8>, tensor<16xi32>) -> tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -56>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 16, 4, 4>}> : (tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -56>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 16, 4, 4>, type = tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>}> : () -> tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %1 = "bsp.weight"() <{dense = false, digest = "52c90e447c4ad582", kernel = array<i64: 1, 1>, reason = "2 of 4 blocks are zero", symbol = "layer0", type = !bsp.mat<16x16x1x1xi8, block = 8x8, kept = 2, total = 4>}> : () -> !bsp.mat<16x16x1x1xi8, block = 8x8, kept = 2, total = 4>
    %2 = "bsp.conv2d"(%0, %1) <{digest = "f90e13a8ae6cac35", dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -56>, requant = "layer0", strides = array<i64: 1, 1>, x_zero = -15 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = -56 : i64}> : (tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>, !bsp.mat<16x16x1x1xi8, block = 8x8, kept = 2, total = 4>) -> tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -56>>
    "nn.output"(%2) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 16, 4, 4>}> : (tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -56>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
