// bscc: --target aie2-2x2 --pass-pipeline 'assign-layout'
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "a", onnx_shape = array<i64: 1, 8, 8, 8>, type = tensor<1x8x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>}> : () -> tensor<1x8x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    %1 = "bsp.rows"(%0) <{first = 2 : i64, last = 8 : i64}> : (tensor<1x8x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x6x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    "nn.output"(%1) <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "y", onnx_shape = array<i64: 1, 8, 6, 8>}> : (tensor<1x6x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
rows_as_output.mlir:5:10: error[rows]: 'bsp.rows' is read by 'nn.output', which needs a tensor and no view
  %1 = "bsp.rows"(%0) <{first = 2 : i64, last = 8 : i64}> : (tensor<1x8x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x6x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
       ^^^^^^^^^^
