// Package process tells what the process table says of a process: whether it is
// still the one that was meant, and whether it can answer.
package process

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Identity names a process for as long as this boot lasts: its pid and when it
// started, as a pid alone comes again. It is "" for a process that is not there
// or has ended and was not collected yet.
func Identity(pid int) string {
	fields := stat(pid)
	if len(fields) < 20 || ended(fields[0][0]) {
		return ""
	}
	return strconv.Itoa(pid) + " " + fields[19]
}

// Self is the Identity of the calling process.
var Self = sync.OnceValue(func() string { return Identity(os.Getpid()) })

// Tag is Self as a part of a file's name, with no other dash in it: it tells
// whose a half-made thing is that a kill leaves behind.
func Tag() string { return strings.ReplaceAll(Self(), " ", ".") }

// TagEnded reports whether the process of a Tag has ended. What is no Tag, as of
// an older version, has.
func TagEnded(tag string) bool {
	_, ok := Find(strings.Replace(tag, ".", " ", 1))
	return !ok
}

// Find returns the pid of the process that an Identity names, and false when it
// has ended.
func Find(identity string) (pid int, ok bool) {
	number, _, _ := strings.Cut(identity, " ")
	pid, err := strconv.Atoi(number)
	return pid, err == nil && Identity(pid) == identity
}

// Running reports whether a process has not ended.
func Running(pid int) bool {
	fields := stat(pid)
	return len(fields) > 0 && !ended(fields[0][0])
}

// Stopped reports whether a process is stopped, by SIGSTOP or a debugger: it
// answers nobody until it is continued.
func Stopped(pid int) bool {
	fields := stat(pid)
	return len(fields) > 0 && strings.ContainsAny(fields[0], "Tt")
}

// State is the letter of proc_pid_stat(5) for what a process does: R, S, D, T
// and others; 0 when there is none.
func State(pid int) byte {
	if fields := stat(pid); len(fields) > 0 {
		return fields[0][0]
	}
	return 0
}

// Name is the name of the program that a process runs, at most 15 bytes of it.
func Name(pid int) string {
	name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}

func ended(state byte) bool { return state == 'Z' || state == 'X' }

// stat returns the fields of /proc/PID/stat from the third, the state, on. The
// second, in parentheses, may contain anything.
func stat(pid int) []string {
	var room [1024]byte // of 52 fields, most of them short, there are some 300
	text := read("/proc/"+strconv.Itoa(pid)+"/stat", room[:])
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}

// read reads what is a file of /proc into room, by three system calls: os.ReadFile needs
// eleven, and lists ask this of each container. It is nothing for what cannot be read.
func read(name string, room []byte) []byte {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	for errors.Is(err, unix.EINTR) {
		fd, err = unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, room)
	for errors.Is(err, unix.EINTR) {
		n, err = unix.Read(fd, room)
	}
	return room[:max(n, 0)]
}
