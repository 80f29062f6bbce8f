// bscc: fold-quantization
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xf32>}> : () -> tensor<1x4x4x8xf32>
    %1 = "nn.quantize"(%0) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>
    %2 = "nn.dequantize"(%1) : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>) -> tensor<1x4x4x8xf32>
    %3 = "nn.average_pool"(%2) <{count_include_pad = false, counted_pads = array<i64: 0, 0, 0, 0>, kernel = array<i64: 4, 4>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>}> : (tensor<1x4x4x8xf32>) -> tensor<1x1x1x8xf32>
    %4 = "nn.quantize"(%3) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -63>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x1x1x8xf32>) -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -63>>
    %5 = "nn.dequantize"(%4) : (tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -63>>) -> tensor<1x1x1x8xf32>
    %6 = "nn.sub"(%5, %2) : (tensor<1x1x1x8xf32>, tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
    %7 = "nn.quantize"(%6) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -13>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -13>>
    %8 = "nn.dequantize"(%7) : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -13>>) -> tensor<1x4x4x8xf32>
    %9 = "nn.average_pool"(%8) <{count_include_pad = false, counted_pads = array<i64: 0, 0, 0, 0>, kernel = array<i64: 4, 4>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>}> : (tensor<1x4x4x8xf32>) -> tensor<1x1x1x8xf32>
    %10 = "nn.quantize"(%9) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -17, zero = -128>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x1x1x8xf32>) -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -17, zero = -128>>
    %11 = "nn.dequantize"(%10) : (tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -17, zero = -128>>) -> tensor<1x1x1x8xf32>
    %12 = "nn.mul"(%11, %8) : (tensor<1x1x1x8xf32>, tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
    %13 = "nn.quantize"(%12) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -17, zero = -128>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -17, zero = -128>>
    %14 = "nn.dequantize"(%13) : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -17, zero = -128>>) -> tensor<1x4x4x8xf32>
    "nn.output"(%14) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_13_out", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xf32>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>
    %1 = "nn.qaverage_pool"(%0) <{count_include_pad = false, counted_pads = array<i64: 0, 0, 0, 0>, kernel = array<i64: 4, 4>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -63>, strides = array<i64: 1, 1>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>) -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -63>>
    %2 = "nn.qadd"(%1, %0) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -13>, subtract = true, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -63>>, tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -13>>
    %3 = "nn.qaverage_pool"(%2) <{count_include_pad = false, counted_pads = array<i64: 0, 0, 0, 0>, kernel = array<i64: 4, 4>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -17, zero = -128>, strides = array<i64: 1, 1>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -13>>) -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -17, zero = -128>>
    %4 = "nn.qmul"(%3, %2) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -17, zero = -128>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -17, zero = -128>>, tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -13>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -17, zero = -128>>
    "nn.output"(%4) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_13_out", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -17, zero = -128>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
