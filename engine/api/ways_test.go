package api_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// way is how bytes go through a process of a container and back.
type way struct {
	name          string
	attach, tty   bool
	slow, upgrade bool
}

// ways are all of them; slow readers get less.
func ways() []way {
	return []way{
		{name: "exec, in a terminal", tty: true, upgrade: true},
		{name: "attach", attach: true, upgrade: true},
		{name: "attach without an upgrade", attach: true},
		{name: "attach, in a terminal", attach: true, tty: true, upgrade: true},
		{name: "exec, read slowly", slow: true, upgrade: true},
		{name: "attach, read slowly", attach: true, slow: true, upgrade: true},
		{name: "attach, in a terminal, read slowly", attach: true, tty: true, slow: true},
	}
}

// script sends back as many bytes as it is sent, and then says so. A terminal does not
// end with the client's half, and so it is told how many.
func (w way) script(size int64) string {
	if w.tty {
		return fmt.Sprintf("stty raw -echo; echo ready; busybox head -c %d; echo done", size)
	}
	return "echo ready; cat; echo done"
}

// goes sends bytes on that way: all come back, in their order.
func (c *client) goes(t *testing.T, id string, w way, size int64) {
	t.Helper()
	if w.slow || w.tty {
		size /= 16
	}
	conn := c.open(t, id, w, size)
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	out := io.Reader(conn.r)
	if !w.tty {
		out = &unframed{r: conn.r}
	}
	if w.slow {
		out = &sleepy{r: out}
	}
	began := time.Now()
	head := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(out, head); err != nil || string(head) != "ready\n" {
		t.Errorf("%s: %v, %q", w.name, err, head)
		return
	}
	sent := w.typed(t, conn, size)
	hash := sha256.New()
	_, err := io.CopyN(hash, out, size)
	rest, rerr := io.ReadAll(out)
	if err := errors.Join(err, rerr); err != nil || !bytes.Equal(hash.Sum(nil), sent()) || string(rest) != "done\n" {
		t.Errorf("%s: %d bytes: %v, or others came back, and after them %.40q", w.name, size, err, rest)
	}
	t.Logf("%s: %d MiB there and back in %v", w.name, size>>20, time.Since(began).Round(time.Millisecond))
}

// typed is as typed of all, but a terminal's half stays open.
func (w way) typed(t *testing.T, to *hijacked, size int64) func() []byte {
	if !w.tty {
		return typed(t, to, size)
	}
	hash, sent := sha256.New(), make(chan struct{})
	go func() {
		defer close(sent)
		if _, err := io.CopyN(io.MultiWriter(to, hash), noKeys{rand.NewChaCha8([32]byte{})}, size); err != nil {
			t.Error(err)
		}
	}()
	return func() []byte {
		<-sent
		return hash.Sum(nil)
	}
}

// noKeys has no first key of those that leave a terminal.
type noKeys struct{ r io.Reader }

func (k noKeys) Read(p []byte) (int, error) {
	n, err := k.r.Read(p)
	for i, b := range p[:n] {
		if b == 0x10 {
			p[i] = ' '
		}
	}
	return n, err
}

// open has a process on that way.
func (c *client) open(t *testing.T, id string, w way, size int64) *hijacked {
	t.Helper()
	if !w.attach {
		return c.exec(t, id, fmt.Sprintf(`{"Cmd":["sh","-c",%q],"Tty":%v,"AttachStdin":true,"AttachStdout":true,"AttachStderr":true}`,
			w.script(size), w.tty))
	}
	id = c.create(t, fmt.Sprintf(`{"Image":"box","Cmd":["sh","-c",%q],"Tty":%v,"OpenStdin":true,"StdinOnce":true,
		"HostConfig":{"NetworkMode":"none","AutoRemove":true,"LogConfig":{"Type":"none"}}}`, w.script(size), w.tty))
	conn := c.hijack(t, "/containers/"+id+"/attach?stream=1&stdin=1&stdout=1&stderr=1", "", w.upgrade)
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
	return conn
}

// unframed is what is in the frames of one stream.
type unframed struct {
	r     io.Reader
	frame io.Reader
}

func (u *unframed) Read(p []byte) (int, error) {
	for {
		if u.frame != nil {
			if n, err := u.frame.Read(p); n > 0 || !errors.Is(err, io.EOF) {
				return n, err
			}
		}
		var head [8]byte
		if _, err := io.ReadFull(u.r, head[:]); err != nil {
			return 0, err
		}
		u.frame = io.LimitReader(u.r, int64(head[4])<<24|int64(head[5])<<16|int64(head[6])<<8|int64(head[7]))
	}
}

// sleepy reads a little, and then nothing for a while.
type sleepy struct {
	r    io.Reader
	read int
}

func (s *sleepy) Read(p []byte) (int, error) {
	if s.read > 64<<10 {
		s.read = 0
		time.Sleep(time.Millisecond)
	}
	n, err := s.r.Read(p)
	s.read += n
	return n, err
}

// cutWhilePrinting goes while much is on its way: what prints is not kept for nobody.
func (c *client) cutWhilePrinting(t *testing.T, id string, tty bool) {
	t.Helper()
	conn := c.exec(t, id, fmt.Sprintf(`{"Cmd":["busybox","head","-c","4000000","/dev/zero"],"AttachStdout":true,"Tty":%v}`, tty))
	got, err := io.ReadAll(io.LimitReader(conn.r, 100_000))
	if err := errors.Join(err, conn.Close()); err != nil || len(got) < 100_000 {
		t.Errorf("%v, %d bytes: %.200q", err, len(got), got)
	}
}

// goesOnWithoutClients has one client of two go in the middle: the other sees all of it,
// and the container does not notice.
func (c *client) goesOnWithoutClients(t *testing.T) {
	t.Helper()
	const size = 4_000_000
	id := c.create(t, fmt.Sprintf(`{"Image":"box","Cmd":["sh","-c","busybox head -c %d /dev/zero; echo told >&2; read x </run/none; exit 7"],
		"HostConfig":{"NetworkMode":"none","LogConfig":{"Type":"none"}}}`, size))
	path := "/containers/" + id + "/attach?stream=1&stdout=1&stderr=1"
	goes, stays := c.hijack(t, path, "", true), c.hijack(t, path, "", true)
	defer stays.Close()
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
	_, err := io.CopyN(io.Discard, goes.r, 10_000)
	if err := errors.Join(err, goes.Close()); err != nil {
		t.Error(err)
	}
	if out := stays.frames(t); len(out[1]) != size || !strings.HasPrefix(out[2], "told\n") {
		t.Errorf("%d bytes and %q came, want %d", len(out[1]), out[2], size)
	}
	if text := c.want(t, http.StatusOK, "POST", "/containers/"+id+"/wait", ""); !strings.HasPrefix(text, `{"StatusCode":7`) {
		t.Errorf("it ended with %s", text)
	}
	c.want(t, http.StatusNoContent, "DELETE", "/containers/"+id, "")
}

// cutAnswers goes from answers that have no end, or none yet.
func (c *client) cutAnswers(t *testing.T, id string) {
	t.Helper()
	for _, ask := range []string{
		"GET /events", "GET /containers/" + id + "/logs?stdout=1&follow=1", "GET /containers/" + id + "/stats?stream=1",
		"POST /containers/" + id + "/wait", "POST /containers/" + id + "/wait?condition=removed", "GET /containers/" + id + "/export",
		"GET /images/box/get",
	} {
		for range 10 {
			conn, err := net.Dial("unix", c.socket)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: d\r\n\r\n", ask)
			err = conn.SetDeadline(time.Now().Add(2 * time.Minute))
			if _, rerr := io.ReadFull(conn, make([]byte, len("HTTP/1.1 200 OK"))); rerr != nil {
				err = errors.Join(err, rerr)
			}
			if err := errors.Join(err, conn.Close()); err != nil {
				t.Errorf("%s: %v", ask, err)
			}
		}
	}
}
