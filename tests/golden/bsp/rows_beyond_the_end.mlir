// bscc: --target aie2-2x2 --pass-pipeline 'assign-layout'
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "a", onnx_shape = array<i64: 1, 8, 8, 8>, type = tensor<1x8x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>}> : () -> tensor<1x8x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    %1 = "bsp.rows"(%0) <{first = 2 : i64, last = 9 : i64}> : (tensor<1x8x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x7x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    %2 = "bsp.max_pool"(%1) <{dilations = array<i64: 1, 1>, kernel = array<i64: 3, 3>, multiplier = 1 : i64, pads = array<i64: 0, 1, 0, 1>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>, shift = 0 : i64, strides = array<i64: 1, 1>, x_zero = 0 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = 0 : i64}> : (tensor<1x7x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x7x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    "nn.output"(%2) <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "y", onnx_shape = array<i64: 1, 8, 7, 8>}> : (tensor<1x7x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
rows_beyond_the_end.mlir:5:10: error[rows]: 'bsp.rows' takes rows [2, 9) of 8
  %1 = "bsp.rows"(%0) <{first = 2 : i64, last = 9 : i64}> : (tensor<1x8x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x7x8x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
       ^^^^^^^^^^
