package files

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"cove/sandbox/hooks"
	"cove/sandbox/host"
	"cove/sandbox/plan"
)

// openState makes the file that hooks will read the state from; the pid, which
// is part of it, is not known yet.
func (f *Set) openState(status specs.ContainerState) (int, error) {
	fd, err := unix.MemfdCreate("hook-state", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, fmt.Errorf("sandbox: state for hooks: %w", err)
	}
	if f.states == nil {
		f.states = map[specs.ContainerState]int{}
	}
	f.states[status] = fd
	return fd, nil
}

// HookState reports whether hooks will read a state of this status.
func (f *Set) HookState(status specs.ContainerState) bool {
	_, ok := f.states[status]
	return ok
}

// TellState fills the file for hooks of a status. Those that read it run in the
// container, where nobody is to change what the next will read.
func (f *Set) TellState(st specs.State, status specs.ContainerState, pid int) error {
	fd, ok := f.states[status]
	if !ok {
		return nil
	}
	st.Status, st.Pid = status, innerPid(pid)
	data, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("sandbox: state for hooks: %w", err)
	}
	for len(data) > 0 {
		n, err := unix.Write(fd, data)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("sandbox: state for hooks: %w", err)
		}
		data = data[max(n, 0):]
	}
	seals := unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("sandbox: state for hooks: %w", err)
	}
	return nil
}

// innerPid is a process's id as it sees it itself, which hooks in the container
// are told (runtime.md, "State").
func innerPid(pid int) int {
	status, err := host.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return pid
	}
	for line := range bytes.Lines(status) {
		if ids, ok := bytes.CutPrefix(line, []byte("NSpid:")); ok {
			all := bytes.Fields(ids)
			if inner, err := strconv.Atoi(string(all[len(all)-1])); err == nil {
				return inner
			}
		}
	}
	return pid
}

// openOutput makes the pipe for what hooks print, in dir if another process will
// read it, and returns the end to write to.
func (f *Set) openOutput(dir string) (int, error) {
	read, write, err := outputPipe(dir)
	if err != nil {
		return -1, fmt.Errorf("sandbox: pipe for what hooks print: %w", err)
	}
	f.output = os.NewFile(uintptr(read), "output of hooks")
	return write, nil
}

// OutputName is the name of the pipe for what hooks print, among the named pipes.
const OutputName = "output"

// outputPipe returns a pipe whose end to read from does not block.
func outputPipe(dir string) (read, write int, err error) {
	if dir == "" {
		var ends [2]int
		if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
			return -1, -1, err
		}
		return ends[0], ends[1], unix.SetNonblock(ends[0], true)
	}
	name := filepath.Join(dir, OutputName)
	if err := unix.Mkfifo(name, 0o600); err != nil {
		return -1, -1, err
	}
	if read, err = openOutputAgain(dir); err != nil {
		return -1, -1, err
	}
	if write, err = unix.Open(name, unix.O_WRONLY|unix.O_CLOEXEC, 0); err != nil {
		unix.Close(read)
	}
	return read, write, err
}

// openOutputAgain opens the end to read from in the process that starts what
// another has created.
func openOutputAgain(dir string) (int, error) {
	return unix.Open(filepath.Join(dir, OutputName), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
}

// ReopenOutput collects what hooks print in the process that starts what another
// has created; it is nil without hooks.
func ReopenOutput(dir string, p *plan.Plan) (*Output, error) {
	if !slices.ContainsFunc(p.Files, func(f plan.File) bool { return f.Kind == plan.HookOutput }) {
		return nil, nil
	}
	fd, err := openOutputAgain(dir)
	if err != nil {
		return nil, err
	}
	return newOutput(os.NewFile(uintptr(fd), "output of hooks")), nil
}

// TakeOutput gives the end to read from away; it is not closed with the rest.
func (f *Set) TakeOutput() *Output {
	if f.output == nil {
		return nil
	}
	o := newOutput(f.output)
	f.output = nil
	return o
}

// Output collects what hooks print, to the first few kilobytes.
type Output struct {
	from *os.File
	text bytes.Buffer
	done chan struct{}
}

const maxHookOutput = 4 << 10

func newOutput(from *os.File) *Output {
	o := &Output{from: from, done: make(chan struct{})}
	go func() {
		defer close(o.done)
		_, _ = io.CopyN(&o.text, from, maxHookOutput)
		_, _ = io.Copy(io.Discard, from) // or hooks would wait for a reader
	}()
	return o
}

// Close ends the collecting. A nil Output has nothing to close.
func (o *Output) Close() {
	if o != nil {
		o.from.Close()
		<-o.done
	}
}

// Explain adds what hooks have printed to the failure of one.
func (o *Output) Explain(err error) error {
	if failed, ok := errors.AsType[*hooks.Error](err); ok && o != nil {
		failed.Output = o.rest()
	}
	return err
}

// rest ends the collecting, after what is on its way, and returns the text.
func (o *Output) rest() string {
	_ = o.from.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // a pipe takes one
	<-o.done
	return string(bytes.TrimSpace(o.text.Bytes()))
}
