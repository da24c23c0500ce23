package streams

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"cove/runner/attach"
)

// TestPipes plays a process that answers in capitals, on both of its outputs.
func TestPipes(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	ends := Of(Streams{Stdin: strings.NewReader("hello"), Stdout: &out, Stderr: &errs})
	defer ends.Close()
	if err := ends.Pipe(); err != nil {
		t.Fatal(err)
	}
	theirs := ends.Theirs
	if len(theirs) != 3 {
		t.Fatalf("%d ends for the process", len(theirs))
	}
	if err := ends.Begin(t.Context(), false, nil, func(error) {}); err != nil {
		t.Fatal(err)
	}
	in, err := io.ReadAll(theirs[0]) // ends with the caller's input
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range theirs[1:] {
		if _, err := f.WriteString(strings.ToUpper(string(in))); err != nil {
			t.Fatal(err)
		}
	}
	ends.Given()
	ends.Drain()
	if out.String() != "HELLO" || errs.String() != "HELLO" {
		t.Errorf("%q, %q", out.String(), errs.String())
	}
}

func TestDetachKeys(t *testing.T) {
	t.Parallel()
	keys, err := attach.ParseKeys("ctrl-p,ctrl-q")
	if err != nil {
		t.Fatal(err)
	}
	ends := Of(Streams{Stdin: strings.NewReader("ab\x10\x11c"), DetachKeys: keys})
	defer ends.Close()
	if err := ends.Pipe(); err != nil {
		t.Fatal(err)
	}
	left := make(chan error, 1)
	if err := ends.Begin(t.Context(), false, nil, func(err error) { left <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-left; err != attach.ErrDetached { //nolint:errorlint // the very one is promised
		t.Errorf("left with %v", err)
	}
	if err := Of(Streams{}).Begin(t.Context(), true, nil, nil); err == nil {
		t.Error("a terminal that was not sent is no error")
	}
}

type full struct{}

var errFull = errors.New("no room")

func (full) Write([]byte) (int, error) { return 0, errFull }

// TestNobodyReads has a caller that takes no output, on either stream: it is told, and is
// not waited for, which a process that goes on printing would be.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	for i, st := range []Streams{{Stdout: full{}}, {Stderr: full{}}} {
		ends := Of(st)
		defer ends.Close()
		if err := ends.Pipe(); err != nil {
			t.Fatal(err)
		}
		left := make(chan error, 1)
		if err := ends.Begin(t.Context(), false, nil, func(err error) { left <- err }); err != nil {
			t.Fatal(err)
		}
		if _, err := ends.Theirs[i].WriteString("x"); err != nil {
			t.Fatal(err)
		}
		if err := <-left; !errors.Is(err, errFull) {
			t.Errorf("left with %v", err)
		}
	}
}
