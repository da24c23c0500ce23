package ship

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cove/errdefs"
)

var who = Container{ID: strings.Repeat("ab", 32), Name: "web", Image: "nginx:1", ImageID: "sha256:" + strings.Repeat("c", 64)}

func TestTag(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                               "abababababab",
		"{{.Name}}/{{ .ImageName }}":     "web/nginx:1",
		"{{.ImageID}} {{.ImageFullID}}":  "cccccccccccc " + who.ImageID,
		"{{.FullID}}{{.DaemonName}} app": who.ID + "cove app",
	} {
		if got, err := Tag(text, who); err != nil || got != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"{{.No}}", "{{.ID", "{{upper .Name}}"} {
		if _, err := Tag(text, who); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

var at = time.Date(2026, 3, 4, 5, 6, 7, 891_234_000, time.Local)

// TestSyslogFormats holds each format against the bytes of its specification.
func TestSyslogFormats(t *testing.T) {
	t.Parallel()
	pid, zone := os.Getpid(), at.Format("Z07:00")
	for format, want := range map[string]string{
		"":           fmt.Sprintf("<27>Mar  4 05:06:07 tag[%d]: hello\n", pid),
		rfc3164:      fmt.Sprintf("<27>Mar  4 05:06:07 host tag[%d]: hello\n", pid),
		rfc5424:      fmt.Sprintf("<27>1 2026-03-04T05:06:07%s host tag %d tag - hello\n", zone, pid),
		rfc5424micro: fmt.Sprintf("<27>1 2026-03-04T05:06:07.891234%s host tag %d tag - hello\n", zone, pid),
	} {
		s := syslogger{facility: daemon, format: format, tag: "tag", host: "host"}
		if got := s.encode(Message{Stream: "stderr", Text: []byte("hello"), Time: at}); string(got) != want {
			t.Errorf("%s: %q, want %q", format, got, want)
		}
	}
	s := syslogger{facility: facility("local7"), tag: "t"}
	if got := s.encode(Message{Stream: "stdout", Time: at}); !strings.HasPrefix(string(got), "<190>") { // 23*8+6
		t.Errorf("%q", got)
	}
}

// TestTransports sends over each of them to a server that reads.
func TestTransports(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	got := make(chan string, 8)
	packets := func(network, address string) string {
		conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		go func() {
			buf := make([]byte, 1<<16)
			for n, _, err := conn.ReadFrom(buf); err == nil; n, _, err = conn.ReadFrom(buf) {
				got <- string(buf[:n])
			}
		}()
		return conn.LocalAddr().String()
	}
	stream := func(network, address string) string {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
				buf := make([]byte, 1<<16) // one message, and the connection ends
				n, _ := conn.Read(buf)
				conn.Close()
				got <- string(buf[:n])
			}
		}()
		return l.Addr().String()
	}
	for _, address := range []string{
		"udp://" + packets("udp", "127.0.0.1:0"),
		"tcp://" + stream("tcp", "127.0.0.1:0"),
		"unix://" + stream("unix", filepath.Join(dir, "stream")),
		"unix://" + packets("unixgram", filepath.Join(dir, "gram")),
		"unixgram://" + packets("unixgram", filepath.Join(dir, "gram2")),
	} {
		s, err := Open(Syslog, map[string]string{"syslog-address": address, "tag": "{{.Name}}"}, who)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		// The second goes over a new connection where the server ended the first. What
		// the kernel took before it heard of that is lost, as with every syslog.
		for _, text := range []string{"first", "second"} {
			for sent := false; !sent; {
				if err := s.Send(Message{Stream: "stdout", Text: []byte(text), Whole: true, Time: time.Now()}); err != nil {
					t.Fatalf("%s: %v", address, err)
				}
				select {
				case line := <-got:
					sent = strings.Contains(line, " web[") && strings.HasSuffix(line, text+"\n")
				case <-time.After(100 * time.Millisecond):
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	_, err := Open(Syslog, map[string]string{"syslog-address": "unix://" + filepath.Join(t.TempDir(), "none")}, who)
	if !errors.Is(err, errdefs.ErrUnavailable) || !strings.HasPrefix(err.Error(), "failed to initialize logging driver: ") {
		t.Error(err)
	}
	if _, err := openJournal(filepath.Join(t.TempDir(), "none"), "tag", who); err == nil ||
		err.Error() != "journald is not enabled on this host" {
		t.Error(err)
	}
}

func TestJournal(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "socket")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := who
	c.Fields = map[string]string{"com.example.tier": "db", "9": "dropped"}
	j, err := openJournal(socket, "tag", c)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if err := j.Send(Message{Stream: "stderr", Text: []byte("one\r"), Time: at}); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<16)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"CONTAINER_ID=abababababab", "CONTAINER_ID_FULL=" + c.ID, "CONTAINER_NAME=web", "CONTAINER_TAG=tag",
		"IMAGE_NAME=nginx:1", "SYSLOG_IDENTIFIER=tag", "COM_EXAMPLE_TIER=db", "PRIORITY=3",
		"CONTAINER_PARTIAL_MESSAGE=true", "MESSAGE=one\r",
	} {
		if !strings.Contains(string(buf[:n]), line+"\n") {
			t.Errorf("no %s in %q", line, buf[:n])
		}
	}
	if got := string(appendField(nil, "A", []byte("b\nc"))); got != "A\n\x03\x00\x00\x00\x00\x00\x00\x00b\nc\n" {
		t.Errorf("%q", got)
	}
}

// held is a shipper whose messages wait until they are let through.
type held struct {
	gate chan struct{}
	got  []string
}

func (h *held) Send(m Message) error {
	<-h.gate
	h.got = append(h.got, string(m.Text))
	return nil
}

func (h *held) Close() error { return nil }

// TestQueue drops the oldest when more waits than may.
func TestQueue(t *testing.T) {
	t.Parallel()
	h := &held{gate: make(chan struct{})}
	q := Queued(h, 3)
	for i := range 10 {
		if err := q.Send(Message{Text: []byte{byte('0' + i)}}); err != nil {
			t.Fatal(err)
		}
	}
	close(h.gate)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(h.got, ""); !strings.HasSuffix(got, "789") || len(got) > 4 {
		t.Errorf("sent %q", got)
	}
}
