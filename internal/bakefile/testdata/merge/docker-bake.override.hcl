TAG = "overridden"
target "w" {
  args = { B = "override" }
  platforms = ["linux/arm64"]
}
