package plan

import (
	"encoding/binary"
	"strconv"

	"golang.org/x/sys/unix"
)

// Arg is one argument of a system call.
type Arg struct {
	Kind ArgKind
	// Num is the number of a Num, the index of a Result or of an Inherited file.
	Num uint64
	// Offset is where a Result begins in what the kernel has written to a Buffer. In
	// a Struct it is where the descriptor of the inherited file Num is, if it is not zero.
	Offset uint64
	// Str is the text of a String.
	Str string
	// Bytes are those of a Struct.
	Bytes []byte
	// List are the strings of Strings (argv and environment).
	List []string
	// flags, if not nil, names the bits of a Num.
	flags *flagSet
	// text prints a Struct.
	text func() string
}

// ArgKind says how an argument reaches the kernel.
type ArgKind uint8

const (
	// Num is a number.
	Num ArgKind = iota
	// Result is what an earlier step returned.
	Result
	// Inherited is the descriptor of a file of Plan.Files.
	Inherited
	// String points to a zero-terminated string.
	String
	// Strings points to a zero-terminated array of pointers to strings.
	Strings
	// Struct points to bytes that the kernel reads.
	Struct
	// Buffer points to writable memory that the kernel fills; Num is its Value,
	// which is then its first eight bytes.
	Buffer
	// Filter points to the sock_fprog of the seccomp filter.
	Filter
	// FirstFD is the first descriptor that is not the process's. The program's
	// image and its two pipes follow, then all others: Num counts from the first.
	FirstFD
	// Ending points to the sigaction of a handler that ends the program with 128 and the signal.
	Ending
	// DeathSignal is SIGKILL, or zero if the process outlives its creator.
	DeathSignal
)

// BufferSize is how much the kernel may write to a Buffer.
const BufferSize = 4096

func num[T ~int | ~uint32 | ~uint64 | ~uint](n T) Arg { return Arg{Num: uint64(n)} }

func flags[T ~int | ~uint32 | ~uint64](n T, set *flagSet) Arg {
	return Arg{Num: uint64(n), flags: set}
}

func str(s string) Arg       { return Arg{Kind: String, Str: s} }
func (v Value) arg() Arg     { return Arg{Kind: Result, Num: uint64(v)} }
func (f inherited) arg() Arg { return Arg{Kind: Inherited, Num: uint64(f)} }
func null() Arg              { return Arg{flags: pointers} }
func strs(list []string) Arg { return Arg{Kind: Strings, List: list} }
func cwdFD() Arg             { return Arg{Num: atFDCWD, flags: atFDs} }
func fd(n int) Arg           { return num(n) }

// atFDCWD is AT_FDCWD as the kernel's int argument reads it.
const atFDCWD = 1<<64 - 100

// descriptor is what a path may start at.
type descriptor interface{ arg() Arg }

type inherited int

func openHow(flags, resolve uint64) Arg {
	b := make([]byte, 0, 24)
	for _, n := range []uint64{flags, 0, resolve} {
		b = binary.NativeEndian.AppendUint64(b, n)
	}
	return Arg{Kind: Struct, Bytes: b, text: func() string {
		return "{flags=" + openFlags.format(flags) + ", resolve=" + resolveFlags.format(resolve) + "}"
	}}
}

// mountAttrSize is that of struct mount_attr, version 0.
const mountAttrSize = 32

func mountAttr(set, clear, propagation uint64) Arg {
	b := make([]byte, 0, mountAttrSize)
	for _, n := range []uint64{set, clear, propagation, 0} {
		b = binary.NativeEndian.AppendUint64(b, n)
	}
	return Arg{Kind: Struct, Bytes: b, text: func() string {
		s := "{attr_set=" + mountAttrs.format(set)
		if clear != 0 {
			s += ", attr_clr=" + mountAttrs.format(clear)
		}
		if propagation != 0 {
			s += ", propagation=" + mountFlags.format(propagation)
		}
		return s + "}"
	}}
}

// mapOwners is a mount_attr that maps owners by the user namespace ns.
func mapOwners(ns inherited) Arg {
	a := mountAttr(unix.MOUNT_ATTR_IDMAP, 0, 0)
	a.Num, a.Offset = uint64(ns), mountAttrSize-8
	a.text = func() string { return "{attr_set=MOUNT_ATTR_IDMAP, userns_fd=f" + strconv.Itoa(int(ns)) + "}" }
	return a
}

// raw is a struct printed as text.
func raw(b []byte, text string) Arg {
	return Arg{Kind: Struct, Bytes: b, text: func() string { return text }}
}
