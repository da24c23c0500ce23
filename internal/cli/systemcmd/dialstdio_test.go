package systemcmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// connect returns both ends of a connection over a socket.
func connect(t *testing.T) (ours, theirs *net.UnixConn) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); other.Close() })
	return conn.(*net.UnixConn), other.(*net.UnixConn)
}

// TestRelay carries all of the answer, though the input ended long before.
func TestRelay(t *testing.T) {
	t.Parallel()
	conn, server := connect(t)
	answer := strings.Repeat("answer", 100_000)
	go func() {
		asked, _ := io.ReadAll(server) // ends with the input
		_, _ = server.Write(append(asked, answer...))
		server.Close()
	}()
	var out bytes.Buffer
	if err := relay(t.Context(), conn, strings.NewReader("question"), &out); err != nil || out.String() != "question"+answer {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
}

// TestRelayEnds with the server, though the input goes on, and when it is interrupted.
func TestRelayEnds(t *testing.T) {
	t.Parallel()
	conn, server := connect(t)
	in, keep := io.Pipe()
	defer keep.Close()
	server.Close()
	if err := relay(t.Context(), conn, in, io.Discard); err != nil {
		t.Error(err)
	}
	conn, _ = connect(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := relay(ctx, conn, in, io.Discard); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
