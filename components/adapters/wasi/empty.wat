;; An environment with nothing in it. A function is composed with this in place of the runtime's: std asks for one, used
;; or not, and the real one holds keys.
;;
;; All three functions return nothing, and in memory «nothing» is zeros: an empty list of variables, an empty list of
;; arguments, no working directory. So one core function serves all three: it returns the address 0 of a memory of zeros.
;; There are no preopens here, because no function imports a file system; `xtask build --wasi` refuses one that does.
(component
  (core module $nothing
    (memory (export "memory") 1)
    (func (export "nothing") (result i32) i32.const 0))
  (core instance $zeros (instantiate $nothing))
  (alias core export $zeros "memory" (core memory $memory))

  (func $get-environment (result (list (tuple string string)))
    (canon lift (core func $zeros "nothing") (memory $memory)))
  (func $get-arguments (result (list string))
    (canon lift (core func $zeros "nothing") (memory $memory)))
  (func $initial-cwd (result (option string))
    (canon lift (core func $zeros "nothing") (memory $memory)))

  (instance $environment
    (export "get-environment" (func $get-environment))
    (export "get-arguments" (func $get-arguments))
    (export "initial-cwd" (func $initial-cwd)))
  (export "wasi:cli/environment@0.2.6" (instance $environment)))
