package hijack

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

// TestHeadIsReadFirst: a client that is late has the head of the answer to itself; one that
// never reads keeps nobody waiting.
func TestHeadIsReadFirst(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	write := func(text string) {
		t.Helper()
		if _, err := server.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	write("head")
	go func() {
		awaitRead(server)
		_, _ = server.Write([]byte("stream")) // the reader below sees it if it fails
	}()
	time.Sleep(20 * time.Millisecond)
	for _, want := range []string{"head", "stream"} {
		b := make([]byte, 100)
		n, err := client.Read(b)
		if err != nil || string(b[:n]) != want {
			t.Fatalf("read %q, %v; want %q", b[:n], err, want)
		}
	}
	write("nobody reads this")
	awaitRead(server)
	near, far := net.Pipe() // of which the kernel knows nothing
	defer near.Close()
	defer far.Close()
	awaitRead(near)
}
