package api_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"cove/distribution/distributiontest"
)

// TestStreamsTakenOver (A7, A8): what a connection becomes, with an upgrade and without, with a
// terminal and without, before 1.42 and after.
func TestStreamsTakenOver(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	running := c.create(t, `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none"}}`)
	c.want(t, 204, "POST", "/containers/"+running+"/start", "")
	const raw, framed = "application/vnd.docker.raw-stream", "application/vnd.docker.multiplexed-stream"
	for _, tt := range []struct {
		version      string
		tty, upgrade bool
		want         string
	}{
		{"1.51", false, true, framed},
		{"1.42", false, true, framed},
		{"1.41", false, true, raw},
		{"1.24", false, true, raw},
		{"1.51", true, true, raw},
		{"1.41", true, true, raw},
		{"1.51", false, false, raw},
		{"1.51", true, false, raw},
		{"1.24", false, false, raw},
	} {
		name := fmt.Sprintf("%+v", tt)
		id := c.create(t, fmt.Sprintf(`{"Image":"box","Cmd":["echo","said"],"Tty":%v,"HostConfig":{"NetworkMode":"none","AutoRemove":true}}`, tt.tty))
		attach := c.hijack(t, "/v"+tt.version+"/containers/"+id+"/attach?stream=1&stdout=1", "", tt.upgrade)
		c.want(t, 204, "POST", "/containers/"+id+"/start", "")
		var made struct {
			ID string `json:"Id"`
		}
		decode(t, c.want(t, 201, "POST", "/containers/"+running+"/exec", fmt.Sprintf(`{"Cmd":["echo","said"],"Tty":%v,"AttachStdout":true}`, tt.tty)), &made)
		exec := c.hijack(t, "/v"+tt.version+"/exec/"+made.ID+"/start", fmt.Sprintf(`{"Tty":%v}`, tt.tty), tt.upgrade)
		for what, conn := range map[string]*hijacked{"attach": attach, "exec": exec} {
			status := "HTTP/1.1 200 OK"
			if tt.upgrade {
				status = "HTTP/1.1 101 UPGRADED"
			}
			if conn.status != status || conn.headers.Get("Content-Type") != tt.want || conn.headers.Get("Transfer-Encoding") != "" ||
				conn.headers.Get("Content-Length") != "" || tt.upgrade != (conn.headers.Get("Upgrade") == "tcp") {
				t.Errorf("%s, %s: %s %v", name, what, conn.status, conn.headers)
			}
			text, err := io.ReadAll(conn.r) // ends with the output
			said := "\x01\x00\x00\x00\x00\x00\x00\x05said\n"
			if tt.tty {
				said = "said\r\n"
			}
			if err != nil || string(text) != said {
				t.Errorf("%s, %s: %v %q", name, what, err, text)
			}
		}
	}
}

// TestFailuresOfExecs (A10): one before the connection is taken over is an answer, one after it
// text in the stream.
func TestFailuresOfExecs(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none"}}`)
	c.want(t, 204, "POST", "/containers/"+id+"/start", "")
	var made struct {
		ID string `json:"Id"`
	}
	decode(t, c.want(t, 201, "POST", "/containers/"+id+"/exec", `{"Cmd":["nosuchprogram"],"AttachStdout":true,"AttachStderr":true}`), &made)
	conn := c.hijack(t, "/exec/"+made.ID+"/start", `{}`, true)
	text, err := io.ReadAll(conn.r)
	if err != nil || !strings.Contains(conn.status, "101") || !strings.Contains(string(text), "nosuchprogram: executable file not found in $PATH") {
		t.Errorf("%s %v %q", conn.status, err, text)
	}
	has(t, c.want(t, 200, "GET", "/exec/"+made.ID+"/json", ""), `"ExitCode":127`)
	decode(t, c.want(t, 201, "POST", "/containers/"+id+"/exec", `{"Cmd":["true"]}`), &made)
	c.want(t, 204, "POST", "/containers/"+id+"/stop?t=0", "")
	conn = c.hijack(t, "/exec/"+made.ID+"/start", `{}`, true)
	if !strings.HasPrefix(conn.status, "HTTP/1.1 404 ") || conn.headers.Get("Content-Type") != "application/json" {
		t.Errorf("of one that has ended: %s %v", conn.status, conn.headers)
	}
}

// TestWaitsAreAnsweredAtOnce (A11): the headers come before what is waited for, whichever it is.
func TestWaitsAreAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	for _, tt := range []struct{ condition, end string }{
		{"", "POST /kill"}, {"not-running", "POST /kill"}, {"next-exit", "POST /kill"}, {"removed", "DELETE ?force=1"},
	} {
		id := c.create(t, `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none"}}`)
		c.want(t, 204, "POST", "/containers/"+id+"/start", "")
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://d/containers/"+id+"/wait?condition="+tt.condition, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req) // returns with the headers
		if err != nil {
			t.Fatal(err)
		}
		method, path, _ := strings.Cut(tt.end, " ")
		c.want(t, 204, method, "/containers/"+id+path, "")
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || strings.TrimSpace(string(body)) != `{"StatusCode":137,"Error":null}` {
			t.Errorf("%q: %d %v %s", tt.condition, res.StatusCode, err, body)
		}
	}
	// The next exit is not the one that was.
	id := c.create(t, `{"Image":"box","Cmd":["sh","-c","exit 4"],"HostConfig":{"NetworkMode":"none"}}`)
	ended := func() {
		c.want(t, 204, "POST", "/containers/"+id+"/start", "")
		has(t, c.want(t, 200, "POST", "/containers/"+id+"/wait", ""), `"StatusCode":4`)
	}
	ended()
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://d/containers/"+id+"/wait?condition=next-exit", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("it does not wait for the next exit: %s", body)
	}
}

// TestDetachAndLogs (A12): the keys leave a terminal and the container runs on; who asks for
// logs has what was said before.
func TestDetachAndLogs(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sh","-c","echo before; cat"],"Tty":true,"OpenStdin":true,"HostConfig":{"NetworkMode":"none"}}`)
	of := "/containers/" + id
	c.want(t, 204, "POST", of+"/start", "")
	for end := time.Now().Add(20 * time.Second); !strings.Contains(c.want(t, 200, "GET", of+"/logs?stdout=1", ""), "before"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it says nothing")
		}
	}
	conn := c.hijack(t, of+"/attach?stream=1&stdin=1&stdout=1&logs=1&detachKeys=ctrl-a,x", "", true)
	fmt.Fprint(conn, "typed\n")
	for seen := ""; !strings.HasSuffix(seen, "typed\r\ntyped\r\n"); {
		one, err := conn.r.ReadByte()
		if err != nil {
			t.Fatalf("%v after %q", err, seen)
		}
		if seen += string(one); len(seen) == 8 && seen != "before\r\n" {
			t.Fatalf("it begins with %q", seen)
		}
	}
	fmt.Fprint(conn, "\x01x")
	if rest, err := io.ReadAll(conn.r); err != nil {
		t.Errorf("%v %q", err, rest)
	}
	has(t, c.want(t, 200, "GET", of+"/json", ""), `"Running":true`)
	if second := c.hijack(t, of+"/attach?stream=1&stdin=1&stdout=1", "", true); !strings.Contains(second.status, "101") {
		t.Errorf("%s", second.status)
	}
}

// TestSizesOfTerminals (A13): a container and an exec have the size that is asked for.
func TestSizesOfTerminals(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	const asks = `while read x; do stty size; done`
	id := c.create(t, `{"Image":"box","Cmd":["sh","-c","`+asks+`"],"Tty":true,"OpenStdin":true,"HostConfig":{"NetworkMode":"none"}}`)
	conn := c.hijack(t, "/containers/"+id+"/attach?stream=1&stdin=1&stdout=1", "", true)
	c.want(t, 409, "POST", "/containers/"+id+"/resize?h=5&w=5", "")
	c.want(t, 204, "POST", "/containers/"+id+"/start", "")
	shows := func(conn *hijacked, resize string) {
		t.Helper()
		lines := bufio.NewReader(conn.r)
		for _, size := range []string{"33 99", "34 100"} {
			h, w, _ := strings.Cut(size, " ")
			c.want(t, 200, "POST", resize+"?h="+h+"&w="+w, "")
			// The terminal has the size a moment after the answer, as docker's has: a program is
			// told of it by a signal.
			for text, end := "", time.Now().Add(time.Minute); text != size; {
				if time.Now().After(end) {
					t.Fatalf("%s: %q, want %q", resize, text, size)
				}
				fmt.Fprint(conn, "\n")
				line, err := lines.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				text = strings.TrimSpace(line)
			}
		}
	}
	shows(conn, "/containers/"+id+"/resize")
	running := c.create(t, `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none"}}`)
	c.want(t, 204, "POST", "/containers/"+running+"/start", "")
	var made struct {
		ID string `json:"Id"`
	}
	decode(t, c.want(t, 201, "POST", "/containers/"+running+"/exec", `{"Cmd":["sh","-c","`+asks+`"],"Tty":true,"AttachStdin":true,"AttachStdout":true}`), &made)
	conn = c.hijack(t, "/exec/"+made.ID+"/start", `{"Tty":true}`, true)
	shows(conn, "/exec/"+made.ID+"/resize")
}

// TestNamesOfEvents (A16): what happens is told under docker's names, and in the old form too.
func TestNamesOfEvents(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	since := time.Now().Add(-time.Second).Unix()
	c.want(t, 201, "POST", "/networks/create", `{"Name":"told"}`)
	id := c.create(t, `{"Image":"box","Cmd":["sleep","1000"],"OpenStdin":true,"HostConfig":{"NetworkMode":"none","Binds":["told:/v"]},
		"Healthcheck":{"Test":["CMD","true"],"Interval":50000000}}`)
	of := "/containers/" + id
	c.want(t, 204, "POST", of+"/start", "")
	c.through(t, id, 1)
	defer c.hijack(t, of+"/attach?stream=1&stdout=1", "", true).Close()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(c.want(t, 200, "GET", of+"/json", ""), `"Status":"healthy"`); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is not healthy")
		}
	}
	other := c.create(t, `{"Image":"box","Cmd":["sleep","1000"]}`)
	c.want(t, 204, "POST", "/containers/"+other+"/start", "")
	for _, ask := range []string{
		"POST " + of + "/pause", "POST " + of + "/unpause", "POST " + of + "/rename?name=second", "POST " + of + "/restart?t=0", "POST " + of + "/kill?signal=WINCH",
		"POST " + of + "/stop?t=0", "DELETE " + of, "POST /images/box/tag?repo=told", "DELETE /images/told", "POST /networks/told/connect", "POST /networks/told/disconnect",
		"DELETE /containers/" + other + "?force=1", "DELETE /networks/told", "DELETE /volumes/told",
	} {
		method, path, _ := strings.Cut(ask, " ")
		body := ""
		if strings.HasPrefix(path, "/networks/told/") {
			body = `{"Container":"` + other + `"}`
		}
		if res, text := c.ask(t, method, path, body); res.StatusCode >= 300 {
			t.Errorf("%s is %d %s", ask, res.StatusCode, text)
		}
	}
	text := c.want(t, 200, "GET", fmt.Sprintf("/v1.51/events?since=%d&until=%d.999999999", since, time.Now().Unix()), "")
	told := map[string]int{}
	for lines := json.NewDecoder(strings.NewReader(text)); lines.More(); {
		var e struct{ Type, Action, Status, ID, From string }
		if err := lines.Decode(&e); err != nil {
			t.Fatal(err)
		}
		told[e.Type+" "+e.Action]++
		if (e.Type == "container" || e.Type == "image") && (e.Status != e.Action || e.ID == "" || e.Type == "container" && e.From != "box") {
			t.Errorf("the old form of %+v", e)
		}
	}
	for want := range strings.SplitSeq("container create,container start,container attach,container exec_create: cat ,container exec_start: cat ,container exec_die,"+
		"container health_status: healthy,container pause,container unpause,container rename,container restart,container kill,container die,container stop,container destroy,"+
		"image tag,image untag,network create,network connect,network disconnect,network destroy,volume create,volume mount,volume unmount,volume destroy", ",") {
		if told[want] == 0 {
			t.Errorf("%q was not told: %v", want, told)
		}
	}
}

// TestTokensOfRequests (A21): an identity token is exchanged, a registry's is used as it is.
func TestTokensOfRequests(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	inner := distributiontest.Handler(t, t.Context(), distributiontest.NewMemory(distributiontest.Store(t)))
	host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			if r.PostFormValue("refresh_token") != "identity" || r.PostFormValue("grant_type") != "refresh_token" {
				http.Error(w, `{}`, http.StatusUnauthorized)
				return
			}
			_, _ = io.WriteString(w, `{"access_token":"of-registry"}`)
			return
		}
		if r.Header.Get("Authorization") != "Bearer of-registry" {
			w.Header().Set("Www-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="here",scope="repository:team/box:pull,push"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	name := host + "/team/box"
	c.want(t, http.StatusCreated, "POST", "/images/box/tag?repo="+name+"&tag=1", "")
	for _, signIn := range []string{`{"identitytoken":"identity"}`, `{"registrytoken":"of-registry"}`, `{"registrytoken":"wrong"}`, `{}`} {
		auth := base64.URLEncoding.EncodeToString([]byte(signIn))
		right := strings.Contains(signIn, `"identity"`) || strings.Contains(signIn, `"of-registry"`)
		if status, text := c.askAs(t, auth, "POST", "/images/"+name+"/push?tag=1"); (status == 200 && !strings.Contains(text, `"error"`)) != right {
			t.Errorf("%s: %d %s", signIn, status, text)
		}
	}
}

// TestKnowsItself (A24): from inside a container its id is found, as programs look for it.
func TestKnowsItself(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sleep","1000"]}`)
	c.want(t, 204, "POST", "/containers/"+id+"/start", "")
	out := c.exec(t, id, `{"Cmd":["sh","-c","echo /.docker*; cat /proc/self/mountinfo"],"AttachStdout":true}`).frames(t)[1]
	has(t, out, `(?m)^/\.dockerenv$`, `/containers/`+id+`/hostname `, `/containers/`+id+`/resolv\.conf `)
	cgroup := c.exec(t, id, `{"Cmd":["cat","/proc/1/cgroup"],"AttachStdout":true}`).frames(t)[1]
	t.Logf("%s", cgroup)
}

// TestInspectSaysAll (A19): addresses of both kinds, the network's id, and times as they are read.
func TestInspectSaysAll(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sleep","1000"],"Healthcheck":{"Test":["CMD","true"],"Interval":50000000},"ExposedPorts":{"80/tcp":{}},
		"HostConfig":{"PublishAllPorts":true}}`)
	c.want(t, 204, "POST", "/containers/"+id+"/start", "")
	var v struct {
		Name, Created string
		State         struct {
			Health                *struct{ Status string }
			StartedAt, FinishedAt string
		}
		NetworkSettings struct {
			Ports    map[string][]struct{ HostIp, HostPort string }
			Networks map[string]struct{ NetworkID string }
		}
	}
	decode(t, c.want(t, 200, "GET", "/containers/"+id+"/json", ""), &v)
	var n struct {
		ID string `json:"Id"`
	}
	decode(t, c.want(t, 200, "GET", "/networks/bridge", ""), &n)
	for _, at := range []string{v.Created, v.State.StartedAt, v.State.FinishedAt} {
		if _, err := time.Parse(time.RFC3339Nano, at); err != nil {
			t.Error(err)
		}
	}
	ports := v.NetworkSettings.Ports["80/tcp"]
	if !strings.HasPrefix(v.Name, "/") || v.State.Health == nil || v.State.Health.Status == "" || v.NetworkSettings.Networks["bridge"].NetworkID != n.ID || n.ID == "" ||
		len(ports) == 0 || ports[0].HostIp != "0.0.0.0" || ports[0].HostPort == "" || len(ports) > 1 && ports[1].HostIp != "::" {
		t.Errorf("%+v, and the network is %s", v, n.ID)
	}
}
