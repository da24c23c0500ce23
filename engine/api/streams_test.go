package api_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

// TestStreamsUnderLoad has a hundred look at one container, sends much through one
// process, and cuts clients off: no byte is lost, and nothing is left of them. It is
// not parallel to others, whose goroutines and descriptors it would count.
func TestStreamsUnderLoad(t *testing.T) {
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none"}}`)
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
	const shell = `{"Image":"box","Cmd":["sleep","1000"],"Tty":true,"OpenStdin":true,"HostConfig":{"NetworkMode":"none"}}`
	terminal := c.create(t, shell)
	c.want(t, http.StatusNoContent, "POST", "/containers/"+terminal+"/start", "")
	c.through(t, id, 1) // what is made once is made now
	goroutines, descriptors := settled(t, c, 0, 0, 50)
	c.crowd(t, 100, crowdSize())
	c.through(t, id, streamedSize())
	for _, way := range ways() {
		c.goes(t, id, way, streamedSize()/4)
	}
	var cut sync.WaitGroup
	some := make(chan struct{}, 8) // a monitor that is asked for too many at once may not answer in time
	for i := range 40 {
		cut.Go(func() {
			some <- struct{}{}
			defer func() { <-some }()
			c.cutOff(t, id)
			c.cutWhilePrinting(t, id, i%2 == 0)
		})
	}
	cut.Wait()
	c.goesOnWithoutClients(t)
	c.cutAnswers(t, id)
	for _, quiet := range []string{id, terminal, c.create(t, shell)} {
		c.hangUp(t, quiet)
	}
	// Whoever waits for a start is looked for once a second.
	if g, d := settled(t, c, goroutines, descriptors, 1500); g > goroutines || d > descriptors {
		stacks := make([]byte, 1<<20)
		t.Errorf("%d goroutines and %d descriptors, before it was %d and %d\n%s", g, d, goroutines, descriptors,
			stacks[:runtime.Stack(stacks, true)])
	} else {
		t.Logf("%d goroutines and %d descriptors are left, before it was %d and %d", g, d, goroutines, descriptors)
	}
}

// crowdSize is how much each of many sees. One who does not read is cut when more than a
// mebibyte waits for it, and until then whoever is there is waited for.
func crowdSize() int64 {
	if os.Getenv("COVE_SOAK") != "" {
		return 8 << 20
	}
	return 1 << 20
}

// streamedSize is how much goes through one process: COVE_SOAK=1 is a gibibyte.
func streamedSize() int64 {
	if os.Getenv("COVE_SOAK") != "" {
		return 1 << 30
	}
	return 64 << 20
}

// settled waits until there are no more goroutines and descriptors than before, if it
// comes to that.
func settled(t *testing.T, c *client, goroutines, descriptors, tries int) (g, d int) {
	t.Helper()
	for range tries {
		c.CloseIdleConnections()
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		if g, d = runtime.NumGoroutine(), len(entries); g <= goroutines && d <= descriptors {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return g, d
}

// crowd has many attach to a container before it starts. One types; all see all of it.
func (c *client) crowd(t *testing.T, many int, size int64) {
	t.Helper()
	id := c.create(t, `{"Image":"box","Cmd":["sh","-c","cat; echo last >&2"],"OpenStdin":true,"StdinOnce":true,"HostConfig":{"NetworkMode":"none"}}`)
	path := "/containers/" + id + "/attach?stream=1&stdout=1&stderr=1"
	var all []*hijacked
	for i := range many {
		if i == 0 {
			all = append(all, c.hijack(t, path+"&stdin=1", "", true))
			continue
		}
		all = append(all, c.hijack(t, path, "", i%2 == 0))
	}
	if os.Getenv("COVE_SOAK") != "" { // one that does not read is cut, which takes a while
		defer c.hijack(t, path, "", true).Close()
	}
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
	sent := typed(t, all[0], size)
	var wg sync.WaitGroup
	for i, conn := range all {
		wg.Go(func() {
			defer conn.Close()
			if got, errs, err := sums(conn.r); err != nil || !bytes.Equal(got, sent()) || errs != "last\n" {
				t.Errorf("number %d: %v, or other bytes than were sent, and %q", i, err, errs)
			}
		})
	}
	wg.Wait()
	c.want(t, http.StatusNoContent, "DELETE", "/containers/"+id, "")
}

// typed sends random bytes and closes its half. Their sum is told when all are sent.
func typed(t *testing.T, to *hijacked, size int64) (sum func() []byte) {
	t.Helper()
	hash, sent := sha256.New(), make(chan struct{})
	go func() {
		defer close(sent)
		_, err := io.CopyN(io.MultiWriter(to, hash), rand.NewChaCha8([32]byte{}), size)
		if err := errors.Join(err, to.CloseWrite()); err != nil {
			t.Error(err)
		}
	}()
	return func() []byte {
		<-sent
		return hash.Sum(nil)
	}
}

// sums reads frames to the end: the sum of the output, and the errors.
func sums(r io.Reader) (sum []byte, errs string, err error) {
	hash := sha256.New()
	var head [8]byte
	for {
		if _, err := io.ReadFull(r, head[:]); errors.Is(err, io.EOF) {
			return hash.Sum(nil), errs, nil
		} else if err != nil {
			return nil, "", err
		}
		frame := io.LimitReader(r, int64(binary.BigEndian.Uint32(head[4:])))
		if head[0] == 1 {
			_, err = io.Copy(hash, frame)
		} else {
			var text []byte
			text, err = io.ReadAll(frame)
			errs += string(text)
		}
		if err != nil {
			return nil, "", err
		}
	}
}

// exec makes a process in a container and takes its streams over.
func (c *client) exec(t *testing.T, id, body string) *hijacked {
	t.Helper()
	var made struct {
		ID string `json:"Id"`
	}
	if err := json.Unmarshal([]byte(c.want(t, http.StatusCreated, "POST", "/containers/"+id+"/exec", body)), &made); err != nil {
		t.Fatal(err)
	}
	return c.hijack(t, "/exec/"+made.ID+"/start", fmt.Sprintf(`{"Tty":%v}`, strings.Contains(body, `"Tty":true`)), true)
}

const catAttached = `{"Cmd":["cat"],"AttachStdin":true,"AttachStdout":true,"AttachStderr":true}`

// through sends bytes through a process, there and back.
func (c *client) through(t *testing.T, id string, size int64) {
	t.Helper()
	conn := c.exec(t, id, catAttached)
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	sent := typed(t, conn, size)
	if got, _, err := sums(conn.r); err != nil || !bytes.Equal(got, sent()) {
		t.Errorf("%d bytes through a process: %v, or others came back", size, err)
	}
}

// cutOff begins to talk to a process and goes without a word.
func (c *client) cutOff(t *testing.T, id string) {
	t.Helper()
	conn := c.exec(t, id, `{"Cmd":["sh","-c","cat >/dev/null; sleep 0.1; echo to nobody"],"AttachStdin":true,"AttachStdout":true}`)
	_, err := conn.Write([]byte("half a li"))
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Error(err)
	}
}

// hangUp looks at a container that prints nothing, and goes.
func (c *client) hangUp(t *testing.T, id string) {
	t.Helper()
	for _, with := range []string{"", "&stdin=1", "&logs=1"} {
		conn := c.hijack(t, "/containers/"+id+"/attach?stream=1&stdout=1&stderr=1"+with, "", true)
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestAttachByWebsocket types and reads by frames, from the first byte on.
func TestAttachByWebsocket(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sh","-c","echo first; read x; echo got $x >&2"],"OpenStdin":true,"StdinOnce":true,"HostConfig":{"NetworkMode":"none"}}`)
	path := "/v1.44/containers/" + id + "/attach/ws?stream=1&stdin=1&stdout=1&stderr=1"
	c.want(t, http.StatusBadRequest, "GET", path, "")
	ws, err := c.websocket(t, path, "http://d/")
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
	first := make([]byte, len("first\n"))
	if _, err := io.ReadFull(ws, first); err != nil {
		t.Fatal(err)
	}
	// Two outputs have no order among them, so it is asked once the one has come.
	if err := websocket.Message.Send(ws, []byte("typed\n")); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(ws)
	if string(first)+string(body) != "first\ngot typed\n" {
		t.Errorf("%v %q %q", err, first, body)
	}
}

func (c *client) websocket(t *testing.T, path, origin string) (*websocket.Conn, error) {
	t.Helper()
	conn, err := net.Dial("unix", c.socket)
	if err == nil {
		err = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	config, err := websocket.NewConfig("ws://d"+path, origin)
	if err != nil {
		t.Fatal(err)
	}
	return websocket.NewClient(config, conn)
}

// TestInputThatStaysOpen: the end of one client's input is the container's if it is to
// be read once, and else another goes on.
func TestInputThatStaysOpen(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sh","-c","read a; read b; echo $a$b"],"OpenStdin":true,"HostConfig":{"NetworkMode":"none"}}`)
	if text := c.want(t, http.StatusOK, "GET", "/containers/"+id+"/json", ""); !strings.Contains(text, `"StdinOnce":false`) {
		t.Errorf("inspect has no StdinOnce=false: %s", text)
	}
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
	path := "/containers/" + id + "/attach?stream=1&stdin=1"
	for i, line := range []string{"one", "two"} {
		conn := c.hijack(t, path+strings.Repeat("&stdout=1", i), "", true)
		_, err := fmt.Fprintln(conn, line)
		if err := errors.Join(err, conn.CloseWrite()); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			if got := conn.frames(t); got[1] != "onetwo\n" && got[1] != "twoone\n" { // both came
				t.Errorf("%q", got)
			}
		}
	}
}

// TestStopBySignal: another signal than the container's own has the container's own
// timeout, and keeps it from being started again.
func TestStopBySignal(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sh","-c","trap 'sleep 0.5; exit 5' USR1; echo up; while sleep 0.1; do :; done"],"StopTimeout":20,
		"HostConfig":{"NetworkMode":"none","RestartPolicy":{"Name":"always"}}}`)
	of := "/containers/" + id
	conn := c.hijack(t, of+"/attach?stream=1&stdout=1", "", true)
	c.want(t, http.StatusNoContent, "POST", of+"/start", "")
	if _, err := io.ReadFull(conn.r, make([]byte, 8+len("up\n"))); err != nil {
		t.Fatal(err)
	}
	c.want(t, http.StatusBadRequest, "POST", of+"/stop?signal=NONE", "")
	c.want(t, http.StatusNoContent, "POST", of+"/stop?signal=USR1", "")
	if text := c.want(t, http.StatusOK, "GET", of+"/json", ""); !strings.Contains(text, `"ExitCode":5`) || !strings.Contains(text, `"Status":"exited"`) {
		t.Errorf("it did not end by itself: %s", text)
	}
}
