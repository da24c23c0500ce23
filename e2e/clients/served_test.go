package clients

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/docker/docker/pkg/stdcopy"
)

// What who serves the API tells these tests.
const (
	rootfsVar   = "COVE_CLIENTS_ROOTFS"   // a tar of a root filesystem with busybox
	registryVar = "COVE_CLIENTS_REGISTRY" // HOST:PORT of a registry without TLS
)

// rootfs is the file of the root filesystem; without one nobody serves, and the test is
// skipped.
func rootfs(t *testing.T) *os.File {
	t.Helper()
	name := os.Getenv(rootfsVar)
	if name == "" {
		t.Skipf("%s is not set: TestGoClients of the folder above runs this", rootfsVar)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// must is the value of a call that may not fail: must(f())(t).
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// done is a call that may not fail and has no value.
func done(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want compares what is the same at all times.
func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// has looks for a part of a text.
func has(t *testing.T, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("%q is not in %q", part, text)
	}
}

// text reads all of an answer.
func text(t *testing.T, r io.ReadCloser) string {
	t.Helper()
	defer r.Close()
	return string(must(io.ReadAll(r))(t))
}

// streams takes frames apart.
func streams(t *testing.T, r io.Reader) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &errs, r); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return out.String(), errs.String()
}
