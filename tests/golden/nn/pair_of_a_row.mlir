// bscc: canonicalize
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "x", onnx_shape = array<i64: 1, 4, 4, 8>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
    %1 = "nn.input"() <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "z", onnx_shape = array<i64: 1, 1, 4, 8>, type = tensor<1x1x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>}> : () -> tensor<1x1x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
    %2 = "nn.qmul"(%0, %1) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>, tensor<1x1x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
    "nn.output"(%2) <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "y", onnx_shape = array<i64: 1, 4, 4, 8>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
pair_of_a_row.mlir:6:10: error[shapes]: 'nn.qmul' expects equal shapes, got tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>> and tensor<1x1x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
  %2 = "nn.qmul"(%0, %1) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>, tensor<1x1x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
       ^^^^^^^^^
  help: one of them may be a pixel, [1, 1, 1, C], that all pixels of the other meet
