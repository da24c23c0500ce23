// Command nothing ends at once: what it takes is the start of any program in Go.
package main

func main() {}
