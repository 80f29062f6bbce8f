// bscc: --target aie2-4x4 --pass-pipeline 'wrap-rows{pixels=3}'
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "x", onnx_shape = array<i64: 1, 256, 8>, type = tensor<1x1x256x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>}> : () -> tensor<1x1x256x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %1 = "bsp.requantize"(%0) <{multiplier = 1 : i64, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>, shift = 0 : i64, x_zero = -15 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = -15 : i64}> : (tensor<1x1x256x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>) -> tensor<1x1x256x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    "nn.output"(%1) <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "y", onnx_shape = array<i64: 1, 256, 8>}> : (tensor<1x1x256x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
wrap-rows: error[pass-option]: pixels is 3, expected at least 4
  help: mode=off breaks no rows
