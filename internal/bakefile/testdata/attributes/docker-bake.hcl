variable "TAG" { default = "latest" }
variable "N" { default = 3 }
variable "L" { 
 type = list(string)
 default = ["a","b"] 
}
variable "EMPTY" {}
variable "NULL" { default = null }
group "default" { targets = ["app", "m"] }
target "base" {
  args = { A = "1", B = null, C = N , D = true}
  labels = { x = "y" }
  cache-from = ["type=registry,ref=user/app:cache", "user/x:y"]
}
target "app" {
  inherits = ["base"]
  description = "the app"
  tags = ["user/app:${TAG}", "u:${EMPTY}", "u:${join("-", L)}"]
  output = ["type=docker", "out", { type = "local", dest = "x" }]
  secret = ["id=k,src=/tmp/k", {id="t", env="TOK"}, "id=only"]
  ssh = ["default", "k=keys/id", {id="z", paths=["/tmp/bx/key"]}]
  attest = ["type=provenance,mode=max", "type=sbom", {type="sbom", disabled=true}]
  cache-to = [{type="registry", ref="a/b", mode="max"}]
  platforms = ["linux/amd64", "linux/arm64"]
  contexts = { src = "../src", b = "target:base" }
  no-cache = true
  pull = true
  network = "host"
  shm-size = "64m"
  ulimits = ["nofile=1024:1024"]
  annotations = ["index:a=b", "c=d"]
  entitlements = ["security.insecure"]
  extra-hosts = { h = "1.2.3.4" }
  no-cache-filter = ["x"]
  
  dockerfile-inline = <<EOT
FROM x
EOT
}
target "m" {
  name = "m-${item.a}-${replace(v, ".", "-")}"
  matrix = { item = [{a = "x"}, {a = "y"}], v = ["1.0", "2"] }
  args = { V = v }
  target = target.app.description
}
