package api_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWaitAfterOutput: when a wait is answered, whoever is attached has all that the container
// said: a client lets go of the streams then. Many do so at once, attached before the start, one of
// several or alone, or while the container runs: one who does so beside another sees what comes
// from then on, of which nobody can say when that is.
func TestWaitAfterOutput(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	const lines = 2000
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			late, several := i%2 == 0, i%4 == 1
			script := fmt.Sprintf("seq %d", lines)
			if late {
				script = "read x; " + script
			}
			id := c.create(t, `{"Image":"box","Cmd":["sh","-c","`+script+`"],"OpenStdin":true,"StdinOnce":true,"HostConfig":{"NetworkMode":"none"}}`)
			look := func(with string) *hijacked {
				return c.hijack(t, "/containers/"+id+"/attach?stream=1&stdout=1&stderr=1"+with, "", true)
			}
			start := func() { c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "") }
			if late {
				start()
			}
			seen := []*hijacked{look("&stdin=1")}
			if several {
				seen = append(seen, look(""))
			}
			if late {
				if _, err := io.WriteString(seen[0], "go\n"); err != nil {
					t.Error(err)
				}
			} else {
				start()
			}
			c.want(t, http.StatusOK, "POST", "/containers/"+id+"/wait", "")
			for n, h := range seen {
				if got := h.here(t); !bytes.HasSuffix(got, []byte(fmt.Sprintf("%d\n", lines))) {
					t.Errorf("late %v, several %v: looker %d has %d bytes when the wait is answered", late, several, n, len(got))
				}
			}
		})
	}
	all.Wait()
}

// here is what has arrived, and nothing that is still to come.
func (h *hijacked) here(t *testing.T) []byte {
	t.Helper()
	raw, err := h.SyscallConn()
	if err != nil {
		t.Error(err)
		return nil
	}
	var waiting int
	var askErr error
	err = raw.Control(func(fd uintptr) { waiting, askErr = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	got := make([]byte, h.r.Buffered()+waiting)
	_, readErr := io.ReadFull(h.r, got)
	if err := errors.Join(err, askErr, readErr); err != nil {
		t.Error(err)
	}
	return got
}
