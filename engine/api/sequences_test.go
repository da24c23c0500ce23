package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestGitLabRunnersSequence does what its docker executor does with a job: a network for
// each, a service on it, and one container that is started again for each script, which
// goes through the attached input.
func TestGitLabRunnersSequence(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	var img struct {
		ID string `json:"Id"`
	}
	decode(t, c.want(t, 200, "GET", "/v1.44/images/box/json", ""), &img)
	c.want(t, 201, "POST", "/v1.44/networks/create", `{"CheckDuplicate":true,"Name":"runner-x-job-1","Driver":"","EnableIPv6":false,"Labels":{"com.gitlab.gitlab-runner.managed":"true"}}`)
	c.want(t, 201, "POST", "/v1.44/volumes/create", `{"Name":"runner-cache","Labels":{"com.gitlab.gitlab-runner.type":"cache"}}`)
	c.want(t, 404, "DELETE", "/v1.44/containers/runner-x-svc-0?force=1&v=1", "")
	service := c.create(t, `{"Image":"`+img.ID+`","Cmd":["sh","-c","echo ready; exec sleep 1000"],"Labels":{"com.gitlab.gitlab-runner.type":"service"},
		"HostConfig":{"NetworkMode":"runner-x-job-1","RestartPolicy":{"Name":"no"},"LogConfig":{"Type":"json-file","Config":null},"Binds":["runner-cache:/cache"]},
		"NetworkingConfig":{"EndpointsConfig":{"runner-x-job-1":{"Aliases":["db","postgres"],"MacAddress":""}}}}`)
	c.want(t, 204, "POST", "/v1.44/containers/"+service+"/start", "")
	for version, want := range map[string]string{"44": `"Aliases":."db","postgres","` + service[:12] + `"`, "45": `"Aliases":."db","postgres".,`} {
		has(t, c.want(t, 200, "GET", "/v1."+version+"/containers/"+service+"/json", ""), want)
	}
	build := c.create(t, `{"Image":"`+img.ID+`","Hostname":"runner-x","Cmd":["sh"],"Tty":false,"AttachStdin":true,"AttachStdout":true,"AttachStderr":true,
		"OpenStdin":true,"StdinOnce":true,"Env":["CI=true"],"Labels":{"com.gitlab.gitlab-runner.type":"build"},
		"HostConfig":{"NetworkMode":"runner-x-job-1","VolumesFrom":null,"Links":[],"Binds":["runner-cache:/cache"],"RestartPolicy":{"Name":"no"},
			"LogConfig":{"Type":"json-file"},"Init":true,"UsernsMode":"","IpcMode":"","ShmSize":0,"OomKillDisable":false},
		"NetworkingConfig":{"EndpointsConfig":{"runner-x-job-1":{"Aliases":["build","runner-x-build"],"MacAddress":""}}}}`)
	of := "/v1.44/containers/" + build
	for _, script := range []struct {
		text, out string
		code      string
	}{
		{"echo $CI >/cache/from; nslookup db >/dev/null && echo found; cat /cache/from\n", "found\ntrue\n", `{"StatusCode":0,`},
		{"cat /cache/from; hostname; exit 5\n", "true\nrunner-x\n", `{"StatusCode":5,`},
	} {
		attached := c.hijack(t, of+"/attach?stderr=1&stdin=1&stdout=1&stream=1", "", true)
		c.want(t, 204, "POST", of+"/start", "")
		if _, err := io.WriteString(attached, script.text); err != nil {
			t.Fatal(err)
		}
		if err := attached.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got := attached.frames(t); got[1] != script.out {
			t.Errorf("%q said %q", script.text, got)
		}
		if text := c.want(t, 200, "POST", of+"/wait?condition=not-running", ""); !strings.HasPrefix(text, script.code) {
			t.Errorf("%q ended with %s", script.text, text)
		}
		res, text := c.ask(t, "POST", of+"/stop?t=1", "")
		if res.StatusCode != http.StatusNotModified && res.StatusCode != http.StatusNoContent {
			t.Errorf("stopping what has ended is %d %s", res.StatusCode, text)
		}
	}
	var network struct{ Containers map[string]any }
	decode(t, c.want(t, 200, "GET", "/v1.44/networks/runner-x-job-1", ""), &network)
	if len(network.Containers) != 1 || network.Containers[service] == nil {
		t.Errorf("on the network there are %v", network.Containers)
	}
	for _, id := range []string{service, build} {
		c.want(t, 200, "POST", "/v1.44/networks/runner-x-job-1/disconnect", `{"Container":"`+id+`","Force":true}`)
		c.want(t, 204, "DELETE", "/v1.44/containers/"+id+"?force=1&v=1", "")
	}
	c.want(t, 204, "DELETE", "/v1.44/networks/runner-x-job-1", "")
	c.want(t, 204, "DELETE", "/v1.44/volumes/runner-cache?force=1", "")
}

// TestPortainersSequence asks what its snapshot does, then what its pages do with one
// container: what it is, its last errors, another name, and a new one in its place.
func TestPortainersSequence(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sh","-c","echo out; echo err >&2; exec sleep 1000"],"Labels":{"com.docker.compose.project":"p"},"HostConfig":{"NetworkMode":"none"}}`)
	c.want(t, 204, "POST", "/containers/"+id+"/start", "")
	c.want(t, 204, "POST", "/containers/"+id+"/rename?name=web", "")
	var info struct {
		Swarm struct {
			ControlAvailable bool
			LocalNodeState   string
		}
		NCPU          int
		MemTotal      int64
		ServerVersion string
		Plugins       struct{ Volume, Network, Log []string }
	}
	decode(t, c.want(t, 200, "GET", "/v1.41/info", ""), &info)
	if info.Swarm.ControlAvailable || info.NCPU < 1 || info.MemTotal < 1 || info.ServerVersion == "" ||
		!slices.Contains(info.Plugins.Volume, "local") || !slices.Contains(info.Plugins.Network, "bridge") {
		t.Errorf("info is %+v", info)
	}
	var list []struct {
		State, Status string
		Labels        map[string]string
	}
	decode(t, c.want(t, 200, "GET", "/v1.41/containers/json?all=1", ""), &list)
	if len(list) != 1 || list[0].State != "running" || list[0].Labels["com.docker.compose.project"] != "p" {
		t.Errorf("the list is %+v", list)
	}
	for _, path := range []string{"/images/json", "/volumes", "/networks", "/version", "/system/df", "/plugins"} {
		if text := c.want(t, 200, "GET", "/v1.41"+path, ""); !json.Valid([]byte(text)) {
			t.Errorf("%s is %s", path, text)
		}
	}
	for _, path := range []string{"/services", "/nodes", "/tasks", "/secrets", "/configs", "/swarm"} {
		c.want(t, 503, "GET", "/v1.41"+path, "")
	}
	text := ""
	for i := 0; text == "" && i < 500; i++ { // till it has said so
		text = c.want(t, 200, "GET", "/v1.41/containers/web/logs?stderr=1&tail=5&timestamps=1", "")
		time.Sleep(10 * time.Millisecond)
	}
	if !strings.HasSuffix(text, "Z err\n") || strings.Contains(text, "out") {
		t.Errorf("its errors are %q", text)
	}
	was := c.inspected(t, "web")
	c.want(t, 204, "POST", "/v1.41/containers/web/rename?name=web-old", "")
	c.want(t, 204, "POST", "/v1.41/containers/web-old/stop?t=0", "")
	res, text := c.ask(t, "POST", "/v1.41/containers/create?name=web", was.create(t))
	if res.StatusCode != http.StatusCreated {
		t.Fatalf("again it is %d %s", res.StatusCode, text)
	}
	c.want(t, 204, "POST", "/v1.41/containers/web/start", "")
	c.want(t, 204, "DELETE", "/v1.41/containers/web-old?v=1&force=1", "")
	c.want(t, 204, "DELETE", "/v1.41/containers/web?v=1&force=1", "")
}

// TestDockerJavasSequence does what testcontainers for Java does before it trusts an
// engine, and with a container of its own: in raw HTTP without an upgrade, and in the
// versions that docker-java speaks.
func TestDockerJavasSequence(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	for _, version := range []string{"", "/v1.32", "/v1.44"} {
		c.want(t, 200, "GET", version+"/_ping", "")
		var info struct{ ServerVersion, OperatingSystem, ExecutionDriver string }
		decode(t, c.want(t, 200, "GET", version+"/info", ""), &info)
		if info.ServerVersion == "" || info.OperatingSystem == "" {
			t.Errorf("%s info is %+v", version, info)
		}
		if text := c.want(t, 200, "GET", version+`/images/json?filters={"reference":["box"]}`, ""); !strings.Contains(text, "box:latest") {
			t.Errorf("%s images are %s", version, text)
		}
		id := c.create(t, `{"Image":"box","Cmd":["sh","-c","echo up; exec sleep 1000"],"Env":[],"Labels":{"org.testcontainers":"true"},"AttachStdin":false,
			"HostConfig":{"AutoRemove":false,"Binds":["/etc/passwd:/dummy:ro"],"PublishAllPorts":false,"NetworkMode":null,"ExtraHosts":[],"VolumesFrom":[],"PortBindings":{}},
			"ExposedPorts":{},"NetworkingConfig":{"EndpointsConfig":{}},"Volumes":null,"Healthcheck":null}`)
		of := version + "/containers/" + id
		c.want(t, 204, "POST", of+"/start", "")
		var exec struct {
			ID string `json:"Id"`
		}
		decode(t, c.want(t, 201, "POST", of+"/exec", `{"AttachStdout":true,"Cmd":["busybox","df","-P"]}`), &exec)
		h := c.hijack(t, version+"/exec/"+exec.ID+"/start", `{"Detach":false,"Tty":false}`, false)
		root := false
		for line := range strings.Lines(h.frames(t)[1]) {
			f := strings.Fields(line)
			root = root || len(f) > 5 && f[5] == "/"
		}
		if !root {
			t.Errorf("%s: df shows no root", version)
		}
		if text := c.want(t, 200, "GET", version+"/exec/"+exec.ID+"/json", ""); !strings.Contains(text, `"Running":false`) || !strings.Contains(text, `"ExitCode":0`) {
			t.Errorf("%s: the exec is %s", version, text)
		}
		if text := c.want(t, 200, "GET", of+"/archive?path=/dummy", ""); len(text) < 1024 {
			t.Errorf("%s: the bound file is %d bytes", version, len(text))
		}
		var state struct {
			State struct {
				Running    bool
				StartedAt  string
				FinishedAt string
			}
			NetworkSettings struct {
				Networks map[string]struct{ IPAddress, Gateway string }
				Ports    map[string]any
			}
		}
		decode(t, c.want(t, 200, "GET", of+"/json", ""), &state)
		if !state.State.Running || state.State.FinishedAt != "0001-01-01T00:00:00Z" || state.NetworkSettings.Ports == nil ||
			state.NetworkSettings.Networks["bridge"].Gateway == "" {
			t.Errorf("%s: it is %+v", version, state)
		}
		c.want(t, 204, "DELETE", of+"?v=true&force=true", "")
		c.want(t, 404, "DELETE", of+"?v=true&force=true", "")
	}
}

// TestLazydockersSequence is what its panels ask, in the version it is fixed to.
func TestLazydockersSequence(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none","Binds":["data:/data"]}}`)
	c.want(t, 204, "POST", "/v1.25/containers/"+id+"/start", "")
	var list []struct {
		ID    string `json:"Id"`
		Names []string
		Ports []any
	}
	decode(t, c.want(t, 200, "GET", "/v1.25/containers/json?all=1", ""), &list)
	if len(list) != 1 || len(list[0].Names) != 1 || !strings.HasPrefix(list[0].Names[0], "/") || list[0].Ports == nil {
		t.Fatalf("the list is %+v", list)
	}
	var stats struct {
		CPU struct {
			Usage struct {
				Total  uint64   `json:"total_usage"`
				PerCPU []uint64 `json:"percpu_usage"`
			} `json:"cpu_usage"`
			System uint64 `json:"system_cpu_usage"`
			Online int    `json:"online_cpus"`
		} `json:"cpu_stats"`
		Memory struct {
			Usage, Limit uint64
			Stats        map[string]uint64
		} `json:"memory_stats"`
	}
	decode(t, c.want(t, 200, "GET", "/v1.25/containers/"+id+"/stats?stream=0", ""), &stats)
	if stats.CPU.Usage.Total == 0 || stats.CPU.System == 0 || stats.CPU.Online == 0 || stats.Memory.Usage == 0 || stats.Memory.Limit == 0 {
		t.Errorf("stats are %+v", stats)
	}
	var top struct {
		Titles    []string
		Processes [][]string
	}
	decode(t, c.want(t, 200, "GET", "/v1.25/containers/"+id+"/top", ""), &top)
	if len(top.Processes) != 1 || len(top.Processes[0]) != len(top.Titles) {
		t.Errorf("top is %+v", top)
	}
	c.want(t, 204, "POST", "/v1.25/containers/"+id+"/pause", "")
	c.want(t, 204, "POST", "/v1.25/containers/"+id+"/unpause", "")
	c.want(t, 204, "POST", "/v1.25/containers/"+id+"/restart?t=0", "")
	var history []struct {
		ID, CreatedBy string
		Tags          []string
	}
	decode(t, c.want(t, 200, "GET", "/v1.25/images/box:latest/history", ""), &history)
	if len(history) == 0 || history[0].Tags[0] != "box:latest" {
		t.Errorf("the history is %+v", history)
	}
	res, text := c.ask(t, "DELETE", "/v1.25/volumes/data", "")
	if res.StatusCode != http.StatusConflict || !strings.Contains(text, "volume is in use") {
		t.Errorf("a volume in use is %d %s", res.StatusCode, text)
	}
	res, text = c.ask(t, "DELETE", "/v1.25/containers/"+id, "")
	if res.StatusCode != http.StatusConflict || !strings.Contains(text, "container is running") {
		t.Errorf("a container that runs is %d %s", res.StatusCode, text) // whose words it looks for
	}
	c.want(t, 204, "DELETE", "/v1.25/containers/"+id+"?force=1&v=1", "")
	for _, path := range []string{"/images/prune", "/volumes/prune", "/networks/prune", "/containers/prune"} {
		c.want(t, 200, "POST", "/v1.25"+path, "")
	}
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}
