// bscc: fold-quantization
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xf32>}> : () -> tensor<1x4x4x8xf32>
    %1 = "nn.quantize"(%0) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %2 = "nn.dequantize"(%1) : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>) -> tensor<1x4x4x8xf32>
    %3 = "nn.average_pool"(%2) <{count_include_pad = false, counted_pads = array<i64: 0, 0, 0, 0>, factor = array<i64: 1029, -10>, kernel = array<i64: 4, 4>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>}> : (tensor<1x4x4x8xf32>) -> tensor<1x1x1x8xf32>
    %4 = "nn.quantize"(%3) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -15>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x1x1x8xf32>) -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -15>>
    %5 = "nn.dequantize"(%4) : (tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -15>>) -> tensor<1x1x1x8xf32>
    "nn.output"(%5) <{host_type = "float32", layout = #nn.layout<nhwc>, onnx_name = "dequantizelinear_4_out", onnx_shape = array<i64: 1, 8, 1, 1>}> : (tensor<1x1x1x8xf32>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %1 = "nn.qaverage_pool"(%0) <{count_include_pad = false, counted_pads = array<i64: 0, 0, 0, 0>, factor = array<i64: 1029, -10>, kernel = array<i64: 4, 4>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -15>, strides = array<i64: 1, 1>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>) -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -15>>
    "nn.output"(%1) <{host_type = "float32", layout = #nn.layout<nhwc>, onnx_name = "dequantizelinear_4_out", onnx_shape = array<i64: 1, 8, 1, 1>}> : (tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -15>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
