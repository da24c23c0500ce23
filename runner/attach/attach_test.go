package attach

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cove/errdefs"
	"cove/runner/record"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	// Longer than a socket's path may be.
	path := filepath.Join(t.TempDir(), strings.Repeat("d", 120), "x.sock")
	if _, err := Dial(path, Hello{}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("no directory: %v", err)
	}
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	client, err := Dial(path, Hello{Kind: Exec, Exec: &record.ExecConfig{Args: []string{"env"}}}, w)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	u, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	server := New(u)
	p, err := server.Receive(false)
	var h Hello
	if err != nil || p.Type != TypeHello || json.Unmarshal(p.Data, &h) != nil || h.Exec.Args[0] != "env" || len(p.Files) != 1 {
		t.Fatalf("%c %s %d files, %v", p.Type, p.Data, len(p.Files), err)
	}
	_, _ = p.Files[0].WriteString("through")
	p.Files[0].Close()
	if got, err := io.ReadAll(r); err != nil || string(got) != "through" {
		t.Errorf("%q, %v", got, err)
	}
	if err := client.Resize(24, 80); err != nil {
		t.Fatal(err)
	}
	p, err = server.Receive(true)
	if rows, cols, ok := p.Size(); err != nil || !ok || rows != 24 || cols != 80 {
		t.Errorf("%v %v %v, %v", rows, cols, ok, err)
	}
	big := []byte(strings.Repeat("b", MaxData))
	if err := client.Send(TypeStdin, big); err != nil {
		t.Fatal(err)
	}
	if p, err = server.Receive(true); err != nil || string(p.Data) != string(big) {
		t.Errorf("%d bytes, %v", len(p.Data), err)
	}
	client.Close()
	if _, err := server.Receive(true); !errors.Is(err, io.EOF) {
		t.Errorf("after close: %v", err)
	}
	server.Close()
	if _, err := Dial(path, Hello{}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestPair(t *testing.T) {
	t.Parallel()
	a, f, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	b, err := FromFile(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.SendJSON(TypeExit, record.ExitStatus{Code: 3}); err != nil {
		t.Fatal(err)
	}
	p, err := b.Receive(true)
	if err != nil || p.Type != TypeExit || string(p.Data) != `{"code":3}` {
		t.Errorf("%c %s %v", p.Type, p.Data, err)
	}
	huge := make([]byte, 1<<20)
	if err := a.Send(TypeStdin, huge); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("too long: %v", err)
	}
	a.Close()
	b.Close()
}
