// bscc: 
"func.func"() <{function_type = () -> (), sym_name = "main"}> ({
  "func.return"() : () -> ()
}) : () -> ()
// -----
not_a_module.mlir:2:1: error[no-module]: 'func.func' is not a module
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
  ^^^^^^^^^^^
  help: wrap it in "builtin.module"() ({ ... }) : () -> ()
