package api_test

import (
	"archive/tar"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The tests of this file ask what moby's own integration tests ask of dockerd.

// TestStopsGoOnWithoutTheirClients: whoever asked for a stop or a restart may hang up.
func TestStopsGoOnWithoutTheirClients(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	const deaf = `{"Image":"box","Cmd":["sh","-c","trap '' TERM; echo ready; while :; do sleep 0.1; done"],"HostConfig":{"NetworkMode":"none"}}`
	for _, verb := range []string{"stop", "restart"} {
		id := c.create(t, deaf)
		c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
		first := c.state(t, id)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://d/containers/"+id+"/"+verb+"?t=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := c.Do(r); err == nil {
			res.Body.Close()
			t.Errorf("%s: %s before it was hung up on", verb, res.Status)
		}
		cancel()
		for range 200 {
			now := c.state(t, id)
			if verb == "stop" && now.Status == "exited" || verb == "restart" && now.Running && now.StartedAt != first.StartedAt {
				first.Status = ""
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if first.Status != "" {
			t.Errorf("%s: %+v, and that is how it stays", verb, c.state(t, id))
		}
		c.want(t, http.StatusNoContent, "DELETE", "/containers/"+id+"?force=1", "")
	}
}

type lifeState struct {
	Status, StartedAt string
	Running           bool
}

func (c *client) state(t *testing.T, id string) lifeState {
	t.Helper()
	var told struct{ State lifeState }
	if err := json.Unmarshal([]byte(c.want(t, 200, "GET", "/containers/"+id+"/json", "")), &told); err != nil {
		t.Fatal(err)
	}
	return told.State
}

// TestExecsAreOfOneLife: one that was made in a life before cannot be started any more, and
// whose user the container does not know is not made at all.
func TestExecsAreOfOneLife(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none"}}`)
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
	for user, says := range map[string]string{
		"no-such-user":    "unable to find user no-such-user: no matching entries in passwd file",
		"1:no-such-group": "unable to find group no-such-group: no matching entries in group file",
	} {
		has(t, c.want(t, http.StatusBadRequest, "POST", "/containers/"+id+"/exec", `{"Cmd":["id"],"User":"`+user+`"}`), says)
	}
	var made struct {
		ID string `json:"Id"`
	}
	decode(t, c.want(t, http.StatusCreated, "POST", "/containers/"+id+"/exec", `{"Cmd":["true"],"User":"0:0"}`), &made)
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/pause", "")
	has(t, c.want(t, http.StatusConflict, "POST", "/exec/"+made.ID+"/start", `{"Detach":true}`), "unpause the container before exec")
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/unpause", "")
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/restart?t=0", "")
	has(t, c.want(t, http.StatusNotFound, "POST", "/exec/"+made.ID+"/start", `{"Detach":true}`), "No such exec instance")
}

// TestVolumesOfOthersStay: a volume without a name that is asked for where another
// container has one is that one; a mount of its own is not.
func TestVolumesOfOthersStay(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	run := func(body, want string) string {
		id := c.create(t, body)
		c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
		has(t, c.want(t, http.StatusOK, "POST", "/containers/"+id+"/wait", ""), `"StatusCode":`+want)
		return id
	}
	parent := run(`{"Image":"box","Cmd":["sh","-c","echo x > /test/here"],"Volumes":{"/test":{}},"HostConfig":{"NetworkMode":"none"}}`, "0")
	child := func(rest string) string {
		return `{"Image":"box","Cmd":["sh","-c","test -e /test/here"],` + rest + `"VolumesFrom":["` + parent + `"]}}`
	}
	run(child(`"Volumes":{"/test":{}},"HostConfig":{"NetworkMode":"none",`), "0")
	run(child(`"HostConfig":{"NetworkMode":"none","Mounts":[{"Type":"volume","Target":"/test"}],`), "1")
	has(t, c.want(t, http.StatusBadRequest, "POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Binds":["foo:/test:shared"]}}`),
		"invalid mount config for type")
}

// TestTermOfExecs: the terminal of a container is not that of what is executed in it without
// one; a TERM that somebody asked for is.
func TestTermOfExecs(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	for asked, want := range map[string]string{`[]`: "[]\n", `["TERM=vt100"]`: "[vt100]\n"} {
		id := c.create(t, `{"Image":"box","Cmd":["sleep","1000"],"Tty":true,"Env":`+asked+`,"HostConfig":{"NetworkMode":"none"}}`)
		c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
		var made struct {
			ID string `json:"Id"`
		}
		decode(t, c.want(t, http.StatusCreated, "POST", "/containers/"+id+"/exec",
			`{"Cmd":["sh","-c","echo [$TERM]"],"AttachStdout":true}`), &made)
		if got := c.hijack(t, "/exec/"+made.ID+"/start", `{}`, true).frames(t)[1]; got != want {
			t.Errorf("of a container with %s: TERM is %q, want %q", asked, got, want)
		}
	}
}

// TestFramesOfExecs: whether streams come in frames is what the start says, and not whether
// the process has a terminal.
func TestFramesOfExecs(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none"}}`)
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
	const said = "7 9\r\n" // in one frame or several, as the terminal gives it
	for body, framed := range map[string]bool{`{}`: true, `{"Tty":true}`: false} {
		var made struct {
			ID string `json:"Id"`
		}
		decode(t, c.want(t, http.StatusCreated, "POST", "/containers/"+id+"/exec",
			`{"Cmd":["stty","size"],"Tty":true,"ConsoleSize":[7,9],"AttachStdout":true}`), &made)
		conn := c.hijack(t, "/exec/"+made.ID+"/start", body, true)
		if framed {
			if got := conn.frames(t)[1]; got != said {
				t.Errorf("%s: %q", body, got)
			}
			continue
		}
		if text, err := io.ReadAll(conn.r); err != nil || string(text) != said {
			t.Errorf("%s: %q, %v", body, text, err)
		}
	}
}

// TestSharedIPC: a container keeps its IPC namespace for itself, unless it is said to be
// shareable, or a client from before there was a choice made it.
func TestSharedIPC(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	for _, tt := range []struct {
		version, mode string
		status        int
	}{{"/v1.51", "", 500}, {"/v1.51", "private", 500}, {"/v1.51", "shareable", 204}, {"/v1.39", "", 204}} {
		var donor struct {
			ID string `json:"Id"`
		}
		decode(t, c.want(t, 201, "POST", tt.version+"/containers/create",
			`{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none","IpcMode":"`+tt.mode+`"}}`), &donor)
		says := []string{"failed to join IPC namespace", donor.ID + " is not running"}
		if tt.status == 500 {
			says = []string{"can't join IPC of container " + donor.ID + ": non-shareable IPC"}
		}
		joins := c.create(t, `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none","IpcMode":"container:`+donor.ID+`"}}`)
		has(t, c.want(t, 500, "POST", "/containers/"+joins+"/start", ""), says...)
		c.want(t, 204, "POST", "/containers/"+donor.ID+"/start", "")
		c.want(t, tt.status, "POST", "/containers/"+joins+"/start", "")
	}
}

// TestUpdatesOfMoby: what takes a limit away again, and how inspect shows it.
func TestUpdatesOfMoby(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none","PidsLimit":32}}`)
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
	for _, tt := range []struct{ version, body, shows string }{
		{"", `{"CpuQuota":15000}`, `"CpuQuota":15000`},
		{"", `{"CpuQuota":-1}`, `"CpuQuota":-1`}, // and below, what the kernel has
		{"/v1.24", `{"PidsLimit":16}`, `"PidsLimit":32`},
		{"", `{"PidsLimit":16}`, `"PidsLimit":16`},
		{"", `{"PidsLimit":0}`, `"PidsLimit":0`},
		{"", `{"PidsLimit":8}`, `"PidsLimit":8`},
		{"", `{"PidsLimit":-2}`, `"PidsLimit":0`},
	} {
		c.want(t, 200, "POST", tt.version+"/containers/"+id+"/update", tt.body)
		has(t, c.want(t, 200, "GET", "/containers/"+id+"/json", ""), tt.shows)
	}
	conn := c.exec(t, id, `{"Cmd":["sh","-c","cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us || cat /sys/fs/cgroup/cpu.max"],"AttachStdout":true}`)
	if text := conn.frames(t)[1]; strings.TrimSpace(text) != "-1" && !strings.HasPrefix(text, "max ") {
		t.Errorf("the kernel's quota is %q", text)
	}
}

// TestWritableCgroups: a container makes groups below its own only if it is said that it may.
func TestWritableCgroups(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	const make = `mkdir $([ -d /sys/fs/cgroup/pids ] && echo /sys/fs/cgroup/pids/below || echo /sys/fs/cgroup/below)`
	for opt, code := range map[string]string{"": `"StatusCode":1`, "writable-cgroups=false": `"StatusCode":1`, "writable-cgroups": `"StatusCode":0`, "writable-cgroups=true": `"StatusCode":0`} {
		opts := "[]"
		if opt != "" {
			opts = `["` + opt + `"]`
		}
		id := c.create(t, `{"Image":"box","Cmd":["sh","-c","`+make+`"],"HostConfig":{"NetworkMode":"none","SecurityOpt":`+opts+`}}`)
		c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
		has(t, c.want(t, 200, "POST", "/containers/"+id+"/wait", ""), code)
		has(t, c.want(t, 200, "GET", "/containers/"+id+"/json", ""), strings.TrimSuffix(`"SecurityOpt":["`+strings.TrimSuffix(opt, "=true"), `["`)[:10])
	}
	has(t, c.want(t, 400, "POST", "/containers/create", `{"Image":"box","Cmd":["x"],"HostConfig":{"SecurityOpt":["writable-cgroups=1"]}}`),
		`security option writable-cgroups=1: want true or false`)
}

// TestExportOfARunningContainer mounts no overlay over the directories of the one that runs,
// which the kernel warns of, and has nothing of what is mounted in it.
func TestExportOfARunningContainer(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sh","-c","echo new > /new; echo hidden > /data/hidden; echo ready; sleep 1000"],"HostConfig":{"NetworkMode":"none","Tmpfs":{"/data":""}}}`)
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
	for range 100 {
		if strings.Contains(c.want(t, 200, "GET", "/containers/"+id+"/logs?stdout=1", ""), "ready") {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	tar := c.want(t, 200, "GET", "/containers/"+id+"/export", "")
	list := exec.CommandContext(t.Context(), "tar", "-t")
	list.Stdin = strings.NewReader(tar)
	names, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for name, there := range map[string]bool{"new": true, "data/": true, "data/hidden": false, "proc/": true, "proc/1/": false} {
		if strings.Contains("\n"+string(names), "\n"+name+"\n") != there {
			t.Errorf("%s: want it there %v", name, there)
		}
	}
}

// TestStatsHaveWhatClientsRead: agents read counters of each interface, processor and device.
func TestStatsHaveWhatClientsRead(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sh","-c","while :; do :; done"]}`)
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
	text := c.want(t, 200, "GET", "/containers/"+id+"/stats?stream=0", "")
	has(t, text, `"rx_packets":`, `"tx_dropped":`, `"usage_in_usermode":`, `"throttled_periods":`, `"inactive_file":`)
	if n := strings.Count(text, `"read":"`); n != 1 {
		t.Errorf("%d samples, want one: %s", n, text)
	}
}

// TestListHasAnnotations as of API 1.46.
func TestListHasAnnotations(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	c.create(t, `{"Image":"box","Cmd":["true"],"HostConfig":{"Annotations":{"foo":"bar"}}}`)
	has(t, c.want(t, 200, "GET", "/v1.46/containers/json?all=1", ""), `"Annotations":{"foo":"bar"}`)
	if text := c.want(t, 200, "GET", "/v1.44/containers/json?all=1", ""); strings.Contains(text, "Annotations") {
		t.Error(text)
	}
	c.want(t, 200, http.MethodOptions, "/", "")
}

// TestFilesOfAStoppedContainer are those that it had: what is mounted in it is where it was,
// with the names and links of the whole, and so are the files that are made for it.
func TestFilesOfAStoppedContainer(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	host := t.TempDir()
	for name, text := range map[string]string{"file1": "one", "test": "bound"} {
		if err := os.WriteFile(filepath.Join(host, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"near": "file1", "far": "/foo/bar"} {
		if err := os.Symlink(to, filepath.Join(host, name)); err != nil {
			t.Fatal(err)
		}
	}
	id := c.create(t, `{"Image":"box","Cmd":["sh","-c","echo x > /foo/bar"],"WorkingDir":"/home/of/its/own","HostConfig":{"NetworkMode":"none","Binds":["/foo","`+host+`:/vol","`+host+`/test:/deep/er/test:ro","`+host+`:/kept:ro"]}}`)
	for _, life := range []string{"that was never started", "that has ended"} {
		for name, target := range map[string]string{"/vol/near": "/vol/file1", "/vol/far": "/foo/bar"} {
			if got := c.linkTarget(t, id, name); got != target {
				t.Errorf("%s: %s leads to %q, want %q", life, name, got, target)
			}
		}
		if names := c.archived(t, id, "/home/of/its"); !slices.Contains(slices.Collect(maps.Keys(names)), "its/own/") {
			t.Errorf("%s: its directory is not there: %q", life, names)
		}
		if names := c.archived(t, id, "/deep/er/test"); names["test"] != "bound" {
			t.Errorf("%s: %q", life, names)
		}
		if life == "that was never started" {
			c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
			c.want(t, http.StatusOK, "POST", "/containers/"+id+"/wait", "")
		}
	}
	if names := c.archived(t, id, "/foo"); names["foo/bar"] != "x\n" {
		t.Errorf("of a volume: %q", names)
	}
	if names := c.archived(t, id, "/vol/far/"); len(names) != 0 {
		t.Errorf("a file as a directory: %q", names)
	}
	if names := c.archived(t, id, "/etc/hosts"); !strings.Contains(names["hosts"], "localhost") {
		t.Errorf("/etc/hosts is %q", names)
	}
	has(t, c.want(t, http.StatusForbidden, "PUT", "/containers/"+id+"/archive?path=/kept", ""), "marked read-only")
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), id) {
		t.Errorf("mounts are left: %v", err)
	}
}

// TestReadOnlyRootByLink: a link in a volume leads to nothing of a read-only root that
// can be written to, and to the volume itself as ever.
func TestReadOnlyRootByLink(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	host := t.TempDir()
	for name, to := range map[string]string{"out": "/etc", "in": "/vol/dir"} {
		if err := os.Symlink(to, filepath.Join(host, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(host, "dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, running := range []bool{false, true} {
		id := c.create(t, `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none","ReadonlyRootfs":true,"Binds":["`+host+`:/vol","/etc/not/there"]}}`)
		if running {
			c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
		}
		put := func(status int, path string) string {
			return c.want(t, status, "PUT", "/containers/"+id+"/archive?path="+path, tarred(t, tar.Header{Name: "file", Typeflag: tar.TypeReg}))
		}
		for _, path := range []string{"/vol/out", "/etc", "/"} {
			has(t, put(http.StatusForbidden, path), "container rootfs is marked read-only")
			has(t, c.want(t, http.StatusForbidden, "PUT", "/containers/"+id+"/archive?path="+path, ""), "container rootfs is marked read-only")
		}
		put(http.StatusOK, "/vol/in")
		put(http.StatusOK, "/etc/not/there")
		if names := c.archived(t, id, "/etc/file"); len(names) != 0 {
			t.Errorf("running: %v, was written: %q", running, names)
		}
		if names := c.archived(t, id, "/vol/dir/file"); names["file"] != "file" {
			t.Errorf("running: %v, of the volume: %q", running, names)
		}
	}
}

// linkTarget is where a link leads that stat tells of.
func (c *client) linkTarget(t *testing.T, id, name string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://d/containers/"+id+"/archive?path="+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	text, err := base64.StdEncoding.DecodeString(res.Header.Get("X-Docker-Container-Path-Stat"))
	if err != nil {
		t.Fatal(err)
	}
	var st struct{ LinkTarget string }
	decode(t, string(text), &st)
	return st.LinkTarget
}

// archived are the files of an archive, by name; none if there is no archive.
func (c *client) archived(t *testing.T, id, name string) map[string]string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://d/containers/"+id+"/archive?path="+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	all := map[string]string{}
	if res.StatusCode != http.StatusOK {
		return all
	}
	for in := tar.NewReader(res.Body); ; {
		h, err := in.Next()
		if err == io.EOF {
			return all
		}
		text, rerr := io.ReadAll(in)
		if err := errors.Join(err, rerr); err != nil {
			t.Fatal(err)
		}
		all[h.Name] = string(text)
	}
}

// TestExecsGoWithTheirContainer: an exec of a container that was removed is no more.
func TestExecsGoWithTheirContainer(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none"}}`)
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
	var made struct {
		ID string `json:"Id"`
	}
	decode(t, c.want(t, http.StatusCreated, "POST", "/containers/"+id+"/exec", `{"Cmd":["true"]}`), &made)
	c.want(t, http.StatusOK, "GET", "/exec/"+made.ID+"/json", "")
	c.want(t, http.StatusNoContent, "DELETE", "/containers/"+id+"?force=1", "")
	has(t, c.want(t, http.StatusNotFound, "GET", "/exec/"+made.ID+"/json", ""), "No such exec instance")
}
