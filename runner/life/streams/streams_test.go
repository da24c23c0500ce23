package streams

import (
	"bytes"
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
