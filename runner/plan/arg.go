package plan

// Arg is one argument of a system call.
type Arg struct {
	Kind ArgKind
	// Num is the number of a Num, Slot or Inherited argument.
	Num uint64
	// Str is the text of a String argument.
	Str string
	// Bytes are those of a Struct argument, Text how it is printed.
	Bytes []byte
	Text  string
	// List are the strings of a Strings argument (argv and environment).
	List []string
}

// ArgKind says how an argument reaches the kernel.
type ArgKind uint8

const (
	// Num is a number.
	Num ArgKind = iota
	// Result is the value that an earlier step returned.
	Result
	// Inherited is the number of a file of Plan.Files.
	Inherited
	// String points to a zero-terminated string.
	String
	// Strings points to a zero-terminated array of pointers to strings.
	Strings
	// Struct points to bytes.
	Struct
	// Buffer points to the writable memory of a value, eight bytes.
	Buffer
	// Filter points to the sock_fprog of the seccomp filter.
	Filter
)
