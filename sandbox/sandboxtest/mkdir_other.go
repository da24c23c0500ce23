//go:build !amd64

package sandboxtest

import "golang.org/x/sys/unix"

// Mkdirs are the numbers of the calls that make a directory: younger processors have one.
var Mkdirs = []int32{unix.SYS_MKDIRAT}
