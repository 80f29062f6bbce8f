// bscc: 
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    "func.return"() : () -> ()
  }) : () -> ()
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
repeated_function.mlir:6:3: error[symbol-repeated]: 'func.func' 'main' is defined twice in the module
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
  ^^^^^^^^^^^
