"""The passes, one file each, named as on the command line; `compiler.pipeline` lists them in order."""
