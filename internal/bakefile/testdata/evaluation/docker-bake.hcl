A="q"
function "inc" {
 params=[n]
 variadic_params=r
 result= n+1+length(r)
}
variable "B" { default = "${A}-x" }
variable "C" {
 type = object({a=string})
 default={a="1"}
}
variable "T" {
 default = true
 validation {
  condition = T != null
  error_message = "m"
 }
}
target "default" {
 args = { V = inc(3,1,1), W = B, X = C.a, Y = T ? "yes": "no", Z = upper(target.o.args.K) } 
 tags = [for x in ["a","b"]: "t:${x}"]
}
target "o" { args = { K = "k" } }
target "p" {
 inherits = ["o"]
 contexts = { foo = "target:o" }
}
