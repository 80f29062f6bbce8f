// bscc: --target aie2-2x2 --pass-pipeline 'assign-layout'
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "a", onnx_shape = array<i64: 1, 8, 8, 8>, type = tensor<1x8x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>}> : () -> tensor<1x8x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    %1 = "nn.input"() <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "b", onnx_shape = array<i64: 1, 8, 8, 16>, type = tensor<1x8x8x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>}> : () -> tensor<1x8x8x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    %2 = "bsp.stack"(%0, %1) : (tensor<1x8x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>, tensor<1x8x8x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x16x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    "nn.output"(%2) <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "y", onnx_shape = array<i64: 1, 8, 16, 8>}> : (tensor<1x16x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
stack_of_unlike_parts.mlir:6:10: error[stack]: 'bsp.stack' joins tensor<1x8x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>> and tensor<1x8x8x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>, which differ in more than rows
  %2 = "bsp.stack"(%0, %1) : (tensor<1x8x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>, tensor<1x8x8x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x16x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
       ^^^^^^^^^^^
