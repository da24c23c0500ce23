package api_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cove/engine"
	engineimages "cove/engine/images"
	"cove/engine/listing"
)

// runtimeBinary builds cove-runtime once for all tests of the package.
var runtimeBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cove-api-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "cove-runtime")
	build := exec.Command("go", "build", "-o", path, "cove/cmd/cove-runtime")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := runtimeBinary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// withBox is an engine that has the image box, of busybox alone.
func withBox(t testing.TB) *engine.Engine {
	t.Helper()
	busybox, err := os.ReadFile("/bin/busybox")
	if os.Geteuid() != 0 || err != nil {
		t.Skip("needs root and busybox-static: containers are made")
	}
	runtime, err := runtimeBinary()
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(engine.Config{Root: t.TempDir(), RuntimePath: runtime})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		all, err := e.Containers(contextless(), listing.Filter{})
		for _, c := range all {
			err = errors.Join(err, e.Remove(contextless(), c.ID, true, true))
		}
		_, nerr := e.PruneNetworks(contextless(), listing.PruneFilter{})
		if err = errors.Join(err, nerr); err != nil {
			t.Error(err)
		}
	})
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	entries := []tar.Header{{Name: "bin/busybox", Mode: 0o755, Size: int64(len(busybox))}}
	for _, name := range []string{"sh", "cat", "echo", "sleep", "stty", "true"} {
		entries = append(entries, tar.Header{Name: "bin/" + name, Typeflag: tar.TypeSymlink, Linkname: "busybox"})
	}
	for _, h := range entries {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			_, err = w.Write(busybox)
		}
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Import(t.Context(), &b, engineimages.ImportOptions{Name: "box"}); err != nil {
		t.Fatal(err)
	}
	return e
}

// create makes a container and returns its id.
func (c *client) create(t testing.TB, body string) string {
	t.Helper()
	res, text := c.ask(t, "POST", "/containers/create", body)
	var made struct {
		ID       string `json:"Id"`
		Warnings []string
	}
	if err := json.Unmarshal([]byte(text), &made); err != nil || res.StatusCode != http.StatusCreated || made.Warnings == nil {
		t.Fatalf("create is %d %s", res.StatusCode, text)
	}
	return made.ID
}

// want asks and looks at the status alone.
func (c *client) want(t testing.TB, status int, method, path, body string) string {
	t.Helper()
	res, text := c.ask(t, method, path, body)
	if res.StatusCode != status {
		t.Errorf("%s %s is %d %s, want %d", method, path, res.StatusCode, text, status)
	}
	return text
}

// hijacked is a connection that was taken over.
type hijacked struct {
	*net.UnixConn
	r       *bufio.Reader
	status  string
	headers http.Header
}

func (c *client) hijack(t *testing.T, path, body string, upgrade bool) *hijacked {
	t.Helper()
	raw, err := net.Dial("unix", c.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	if err := raw.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	up := ""
	if upgrade {
		up = "Connection: Upgrade\r\nUpgrade: tcp\r\n"
	}
	fmt.Fprintf(raw, "POST %s HTTP/1.1\r\nHost: d\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, up, len(body), body)
	h := &hijacked{UnixConn: raw.(*net.UnixConn), r: bufio.NewReader(raw), headers: http.Header{}}
	for i := 0; ; i++ {
		line, err := h.r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		line = strings.TrimSuffix(line, "\r\n")
		key, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "":
			return h
		case i == 0:
			h.status = line
		default:
			h.headers.Add(key, value)
		}
	}
}

// frames reads frames to the end, and returns what each stream had.
func (h *hijacked) frames(t *testing.T) map[byte]string {
	t.Helper()
	out := map[byte]string{}
	for {
		var head [8]byte
		if _, err := io.ReadFull(h.r, head[:]); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, binary.BigEndian.Uint32(head[4:]))
		if _, err := io.ReadFull(h.r, data); err != nil {
			t.Fatal(err)
		}
		out[head[0]] += string(data)
	}
}

// TestRunAsDockerDoes attaches, waits and starts, in this order.
func TestRunAsDockerDoes(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sh","-c","echo first; cat; echo last >&2; exit 7"],"OpenStdin":true,"StdinOnce":true,"AttachStdin":true,"HostConfig":{"AutoRemove":true,"NetworkMode":"none"}}`)
	path := "/v1.50/containers/" + id + "/attach?stream=1&stdin=1&stdout=1&stderr=1"
	first, second := c.hijack(t, path, `{"stream":true,"stdin":true}`, true), c.hijack(t, strings.Replace(path, "stdin=1&", "", 1), "", true)
	for key, want := range map[string]string{
		"Content-Type": "application/vnd.docker.multiplexed-stream", "Connection": "Upgrade", "Upgrade": "tcp", "Content-Length": "", "Transfer-Encoding": "",
		"Api-Version": "1.51",
	} {
		if first.status != "HTTP/1.1 101 UPGRADED" || first.headers.Get(key) != want {
			t.Errorf("%s, %s is %q, want %q", first.status, key, first.headers.Get(key), want)
		}
	}
	answers := make(chan string, 1)
	headers := make(chan int, 1)
	go func() {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://d/v1.50/containers/"+id+"/wait?condition=removed", nil)
		res, err := c.Do(req)
		if err != nil {
			headers <- 0
			return
		}
		defer res.Body.Close()
		headers <- res.StatusCode // before the container was started
		body, _ := io.ReadAll(res.Body)
		answers <- string(body)
	}()
	if status := <-headers; status != http.StatusOK {
		t.Fatalf("wait is %d", status)
	}
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
	if _, err := io.WriteString(first, "typed\n"); err != nil {
		t.Fatal(err)
	}
	if err := first.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for name, conn := range map[string]*hijacked{"the first": first, "the second": second} {
		if got := conn.frames(t); got[1] != "first\ntyped\n" || got[2] != "last\n" {
			t.Errorf("%s saw %q", name, got)
		}
	}
	if got, want := strings.TrimSpace(<-answers), `{"StatusCode":7,"Error":null}`; got != want {
		t.Errorf("wait answers %s, want %s", got, want)
	}
	c.want(t, http.StatusNotFound, "GET", "/containers/"+id+"/json", "")
}

func TestLife(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sh","-c","echo out; echo err >&2; exec sleep 100"],"Labels":{"a":"b"},"HostConfig":{"NetworkMode":"none"}}`)
	of := "/containers/" + id
	c.want(t, http.StatusConflict, "POST", of+"/resize?h=5&w=5", "")
	c.want(t, http.StatusConflict, "POST", of+"/kill", "")
	c.want(t, http.StatusNoContent, "POST", of+"/start", "")
	c.want(t, http.StatusNotModified, "POST", of+"/start", "")
	c.want(t, http.StatusOK, "GET", of+"/top", "")
	c.want(t, http.StatusNoContent, "POST", of+"/pause", "")
	c.want(t, http.StatusConflict, "POST", of+"/attach?stream=1", "")
	c.want(t, http.StatusNoContent, "POST", of+"/unpause", "")
	c.want(t, http.StatusNoContent, "POST", of+"/rename?name=second", "")
	var rows []struct {
		Names           []string
		State           string
		Labels          map[string]string
		NetworkSettings struct{ Networks map[string]any }
	}
	if err := json.Unmarshal([]byte(c.want(t, 200, "GET", `/containers/json?filters={"label":["a=b"]}`, "")), &rows); err != nil ||
		len(rows) != 1 || rows[0].Names[0] != "/second" || rows[0].State != "running" || rows[0].NetworkSettings.Networks["none"] == nil {
		t.Errorf("%v %+v", err, rows)
	}
	c.want(t, http.StatusBadRequest, "GET", `/containers/json?filters={"shape":["round"]}`, "")
	for _, field := range []string{`"Networks":{`, `"Ports":{`, `"Mounts":[`, `"Labels":{`, `"Name":"/second"`} {
		if text := c.want(t, 200, "GET", "/containers/second/json", ""); !strings.Contains(text, field) {
			t.Errorf("inspect lacks %s: %s", field, text)
		}
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		logs := c.want(t, 200, "GET", of+"/logs?stdout=1&stderr=1", "")
		if strings.Contains(logs, "\x01\x00\x00\x00\x00\x00\x00\x04out\n") && strings.Contains(logs, "\x02\x00\x00\x00\x00\x00\x00\x04err\n") {
			break
		}
		if time.Now().After(end) {
			t.Errorf("logs are %q", logs)
			break
		}
	}
	c.want(t, http.StatusBadRequest, "GET", of+"/logs", "")
	if text := c.want(t, 200, "GET", of+"/stats?one-shot=1", ""); !strings.Contains(text, `"cpu_stats"`) {
		t.Errorf("stats are %s", text)
	}
	c.want(t, http.StatusConflict, "DELETE", of, "")
	c.want(t, http.StatusNoContent, "POST", of+"/stop?t=0", "")
	c.want(t, http.StatusNotModified, "POST", of+"/stop", "")
	if text := c.want(t, 200, "POST", of+"/wait", ""); !strings.Contains(text, `"StatusCode":137`) {
		t.Errorf("wait is %s", text)
	}
	c.want(t, http.StatusBadRequest, "POST", of+"/wait?condition=soon", "")
	c.want(t, http.StatusNoContent, "DELETE", of+"?v=1", "")
	c.want(t, http.StatusNotFound, "DELETE", of, "")
	if text := c.want(t, http.StatusNotFound, "POST", "/containers/create", `{"Image":"nothing:1"}`); !strings.Contains(strings.ToLower(text), "no such image") {
		t.Errorf("a missing image is %s", text)
	}
}

func TestExec(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sleep","100"],"HostConfig":{"NetworkMode":"none"}}`)
	c.want(t, http.StatusConflict, "POST", "/containers/"+id+"/exec", `{"Cmd":["true"]}`)
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
	for _, tc := range []struct {
		name, body, input string
		upgrade           bool
		version           string
		contentType       string
		out               map[byte]string
		code              int
	}{
		{"streams", `{"AttachStdout":true,"AttachStderr":true,"Cmd":["sh","-c","echo o; echo e >&2; exit 3"]}`, "", true, "1.51", "application/vnd.docker.multiplexed-stream", map[byte]string{1: "o\n", 2: "e\n"}, 3},
		{"input", `{"AttachStdin":true,"AttachStdout":true,"Cmd":["cat"]}`, "hello", true, "1.41", "application/vnd.docker.raw-stream", map[byte]string{1: "hello"}, 0},
		{"no upgrade", `{"AttachStdout":true,"Cmd":["echo","x"]}`, "", false, "1.51", "application/vnd.docker.raw-stream", map[byte]string{1: "x\n"}, 0},
	} {
		var made struct {
			ID string `json:"Id"`
		}
		text := c.want(t, http.StatusCreated, "POST", "/containers/"+id+"/exec", tc.body)
		if err := json.Unmarshal([]byte(text), &made); err != nil {
			t.Fatal(err)
		}
		conn := c.hijack(t, "/v"+tc.version+"/exec/"+made.ID+"/start", `{}`, tc.upgrade)
		if got := conn.headers.Get("Content-Type"); got != tc.contentType || tc.upgrade != strings.Contains(conn.status, "101") {
			t.Errorf("%s: %s, a stream of %s, want %s", tc.name, conn.status, got, tc.contentType)
		}
		io.WriteString(conn, tc.input)
		if err := conn.CloseWrite(); err != nil {
			t.Error(err)
		}
		if got := conn.frames(t); got[1] != tc.out[1] || got[2] != tc.out[2] {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.out)
		}
		if text := c.want(t, 200, "GET", "/exec/"+made.ID+"/json", ""); !strings.Contains(text, fmt.Sprintf(`"Running":false,"ExitCode":%d`, tc.code)) {
			t.Errorf("%s: %s", tc.name, text)
		}
		c.want(t, http.StatusConflict, "POST", "/exec/"+made.ID+"/start", `{}`)
	}
	c.want(t, http.StatusNotFound, "GET", "/exec/nothing/json", "")
	c.want(t, http.StatusBadRequest, "POST", "/containers/"+id+"/exec", `{"Cmd":[]}`)
}

func TestArchive(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sleep","100"],"HostConfig":{"NetworkMode":"none"}}`)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "dir/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "dir/file", Size: 4, Mode: 0o640, Uid: 5},
		{Name: "dir/out", Typeflag: tar.TypeSymlink, Linkname: "../../../../../../tmp"},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			io.WriteString(w, "text")
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	of := "/containers/" + id + "/archive?path="
	c.want(t, 200, "PUT", of+"/", b.String())
	res, _ := c.ask(t, "HEAD", of+"/dir/file", "")
	text, err := base64.StdEncoding.DecodeString(res.Header.Get("X-Docker-Container-Path-Stat"))
	if err != nil || !strings.HasPrefix(string(text), `{"name":"file","size":4,"mode":416,`) {
		t.Errorf("%v %s", err, text)
	}
	got := c.want(t, 200, "GET", of+"/dir", "")
	names := ""
	for r := tar.NewReader(strings.NewReader(got)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		names += h.Name + " "
	}
	if names != "dir/ dir/file dir/out " {
		t.Errorf("the archive has %q", names)
	}
	// Nothing leaves the container by a link in it, nor by a name that climbs.
	b.Reset()
	w = tar.NewWriter(&b)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "../../../../../../tmp/cove-api-escaped", Mode: 0o600}), w.Close()); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"/", "/dir/out"} {
		c.ask(t, "PUT", of+to, b.String()) // whether it is refused or goes elsewhere in the container
		if _, err := os.Lstat("/tmp/cove-api-escaped"); err == nil {
			t.Errorf("an archive for %s left the container", to)
		}
	}
	c.want(t, http.StatusNotFound, "GET", of+"/nothing", "")
	c.want(t, http.StatusBadRequest, "GET", of, "")
}
