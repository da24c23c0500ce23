// Package program translates the steps of a plan to a static ELF executable of
// a few pages: a loop of machine code over a table of system calls.
//
// The file has three segments at fixed addresses, so nothing is relocated:
// the code (read, execute), the table with its strings (read), and the values
// that steps return (read, write). No libc and no Go runtime start, which is
// what makes a container start in the time of its system calls alone.
//
// The program reports to its parent in [Record]s on one pipe and waits for single bytes on
// another. It ends by execve, or with exit code 125 after the report of the
// step that failed.
package program

import (
	"encoding/binary"
	"runtime"

	"golang.org/x/sys/unix"

	"cove/errdefs"
	"cove/sandbox/plan"
)

// Input is what a plan leaves open.
type Input struct {
	// FirstFD is the number of the first descriptor that is not the
	// process's own: the program's image. The gate, the pipe that the program
	// reads, is next, then the status pipe that it writes, then Plan.Files.
	FirstFD int
	// Filter is the system call filter.
	Filter []unix.SockFilter
	// DeathSignal is sent to the process when its creator dies; zero for none.
	DeathSignal unix.Signal
}

func (in Input) gate() int   { return in.FirstFD + 1 }
func (in Input) status() int { return in.FirstFD + 2 }
func (in Input) files() int  { return in.FirstFD + 3 }

// Record is what the program writes to the status pipe.
type Record struct {
	// Step is the index in Plan.Steps; the highest bit says that Value is the
	// pid of a forked process, the next one that it is the wait status of a
	// reaped one, the third that it is the descriptor of a filter's listener, the
	// fourth that it is the descriptor of a mount whose owners are to be mapped.
	Step uint32
	// Value is an errno, or zero at a barrier.
	Value uint32
}

// RecordSize is that of a Record in the pipe.
const RecordSize = 8

const (
	forked    = 1 << 31
	reaped    = 1 << 30
	listening = 1 << 29
	mapping   = 1 << 28
)

// Decode reads a record.
func Decode(b [RecordSize]byte) Record {
	return Record{binary.LittleEndian.Uint32(b[:]), binary.LittleEndian.Uint32(b[4:])}
}

// Forked returns the step's index and true if the record reports a new pid.
func (r Record) Forked() (pid int, ok bool) { return int(r.Value), r.Step&forked != 0 }

// Reaped returns true if the record reports how a process ended.
func (r Record) Reaped() (step int, status unix.WaitStatus, ok bool) {
	return int(r.Step &^ reaped), unix.WaitStatus(r.Value), r.Step&reaped != 0 && r.Step&forked == 0
}

// Listens returns the descriptor of the program's that listens to its filter, and true,
// if the record reports that. The program waits until its parent lets it go on.
func (r Record) Listens() (fd int, ok bool) {
	return int(r.Value), r.Step&(forked|reaped|listening) == listening
}

// Maps returns the step that asks its parent to map the owners of a mount, and the mount's
// descriptor, and true, if the record does. The program waits until its parent lets it go on.
func (r Record) Maps() (step, fd int, ok bool) {
	return int(r.Step &^ mapping), int(r.Value), r.Step&(forked|reaped|listening|mapping) == mapping
}

// Addresses of the segments. They are below 2 GiB so that the code may use
// 32-bit immediates.
const (
	codeAddr  = 0x400000
	tableAddr = 0x500000
	valueAddr = 0x1000000
	pageSize  = 4096
	// The values begin with the record of a failure and the byte of a barrier.
	failureAt = 0
	valuesAt  = 16
)

// endingSize is that of the code which handles a signal, before the loop.
const endingSize = 16

// ExitCode is the program's after a step has failed.
const ExitCode = 125

// arch is what differs between processors.
type arch struct {
	machine uint16 // ELF e_machine
	number  func(numbers) uint32
	// code is the handler of signals, of endingSize bytes, and the loop, to be run at codeStart.
	code func(l loop) []byte
}

// loop are the constants of the code.
type loop struct {
	table, failure uint32 // addresses
	status         uint32 // descriptor
}

// Build returns the executable for the running architecture.
func Build(p *plan.Plan, in Input) ([]byte, error) {
	a, err := native(runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	return build(a, p, in)
}

func native(goarch string) (arch, error) {
	switch goarch {
	case "amd64":
		return arch{machine: 62, number: func(n numbers) uint32 { return n.amd64 }, code: amd64Loop}, nil
	case "arm64":
		return arch{machine: 183, number: func(n numbers) uint32 { return n.arm64 }, code: arm64Loop}, nil
	}
	return arch{}, errdefs.Errorf(errdefs.ErrUnsupported,
		"sandbox: no program for the processor %s: only amd64 and arm64", goarch)
}

func build(a arch, p *plan.Plan, in Input) ([]byte, error) {
	t := newTable(a, p, in)
	if err := t.steps(); err != nil {
		return nil, err
	}
	code := a.code(loop{table: tableAddr, failure: valueAddr + failureAt, status: uint32(in.status())})
	return link(a.machine, code, t.bytes(), t.values), nil
}
