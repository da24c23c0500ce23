package sandboxtest

import "golang.org/x/sys/unix"

// Mkdirs are the numbers of the calls that make a directory.
var Mkdirs = []int32{unix.SYS_MKDIR, unix.SYS_MKDIRAT}
