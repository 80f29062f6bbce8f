// bscc: fold-quantization
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "x", onnx_shape = array<i64: 1, 4, 4, 8>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
    %1 = "nn.dequantize"(%0) : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>) -> tensor<1x4x4x8xf32>
    %2 = "nn.clip"(%1) <{high = #bscc.float<1.0>}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
    "nn.output"(%2) <{host_type = "float32", layout = #nn.layout<nhwc>, onnx_name = "y", onnx_shape = array<i64: 1, 4, 4, 8>}> : (tensor<1x4x4x8xf32>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
float_left.mlir:6:10: error[float-op]: 'clip' runs in float32: its inputs or its result are not quantised
  %2 = "nn.clip"(%1) <{high = #bscc.float<1.0>}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
       ^^^^^^^^^
  help: quantise the model: DequantizeLinear before each operator, QuantizeLinear behind it
float_left.mlir:7:5: error[float-op]: output 'y' is float32 and is not the result of a DequantizeLinear
  "nn.output"(%2) <{host_type = "float32", layout = #nn.layout<nhwc>, onnx_name = "y", onnx_shape = array<i64: 1, 4, 4, 8>}> : (tensor<1x4x4x8xf32>) -> ()
  ^^^^^^^^^^^
  help: quantise the model: DequantizeLinear before each operator, QuantizeLinear behind it
