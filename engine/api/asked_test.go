package api_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// asked are further answers, after the tests that docker's engine has of itself, and
// those that others have of being like it. Beside runs and made there are a container
// that is paused, one that ended with 3, and one whose root is read-only.
var asked = []answer{
	// Creating, with what is refused, and in which words.
	{"POST", "/containers/create", `{"Image":"sha256:0cb40641836c461bc97c793971d84d758371ed682042457523e4ae701efeaaaa"}`, 404, `No such image: sha256:0cb40641836c461bc97c793971d84d758371ed682042457523e4ae701efeaaaa`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Links":["no-such-container"]}}`, 400, `could not get container for no-such-container`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"Env":[""]}`, 400, `invalid environment variable:`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"Env":["="]}`, 400, `invalid environment variable: =`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Tmpfs":{".":""}}}`, 400, `mount path must be absolute`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"Tmpfs":{"//":""}}}`, 400, `destination can't be '/'`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"IpcMode":"invalid"}}`, 400, `invalid IPC mode`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"PidMode":"invalid"}}`, 400, `invalid PID mode`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"PidMode":"container"}}`, 400, `invalid PID mode`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"UTSMode":"invalid"}}`, 400, `invalid UTS mode`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"Healthcheck":{"Interval":-10}}`, 400, `(?i)interval.* cannot be less than 1ms`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"Healthcheck":{"Interval":1000000000,"Timeout":-1}}`, 400, `(?i)timeout.* cannot be less than 1ms`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"Healthcheck":{"Retries":-10}}`, 400, `(?i)retries.* cannot be negative`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"Healthcheck":{"StartPeriod":100}}`, 400, `(?i)startperiod.* cannot be less than 1ms`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"],"Healthcheck":{"StartInterval":100}}`, 400, `(?i)startinterval.* cannot be less than 1ms`},
	{"POST", "/containers/create?name=masked", `{"Image":"box","Cmd":["true"],"HostConfig":{"MaskedPaths":["/proc/kcore"],"ReadonlyPaths":[]}}`, 201, `"Id"`},
	{"GET", "/containers/masked/json", "", 200, `"MaskedPaths":\["/proc/kcore"\],"ReadonlyPaths":\[\]`},
	{"POST", "/containers/create?name=over", `{"Image":"box","Cmd":["true"],"Volumes":{"/foo":{}},"HostConfig":{"Tmpfs":{"/foo":""}}}`, 201, `"Id"`},
	{"GET", "/containers/over/json", "", 200, `"Mounts":\[\]`},
	{"POST", "/containers/create", `{"Image":"box","Cmd":["true"]} more`, 400, `unexpected content after JSON`},

	// Networks.
	{"POST", "/networks/create", `{"Name":"host"}`, 403, `operation is not permitted on predefined host network`},
	{"POST", "/networks/create", `{"Name":"n1","Labels":{"l":"1"}}`, 201, `"Id":"[0-9a-f]{64}"`},
	{"GET", "/networks/n1?verbose=true", "", 200, `"Name":"n1"`},
	{"GET", "/networks/n1?scope=swarm", "", 404, `network n1 not found`},
	{"GET", "/networks/n1?scope=local", "", 200, `"Name":"n1"`},
	{"GET", "/networks?filters={%22label%22:[%22l=2%22]}", "", 200, `^\[\]\s$`},
	{"GET", "/networks?filters={%22dangling%22:[%22x%22]}", "", 400, `dangling`},
	{"GET", "/networks?filters={%22name%22:[%22n%22]}", "", 200, `"Name":"n1"`},
	{"POST", "/networks/n1/connect", `{"Container":"made"}`, 200, ``},
	{"POST", "/networks/n1/connect", `{"Container":"made"}`, 200, ``},
	{"POST", "/networks/host/connect", `{"Container":"made"}`, 400, `(?i)host`},
	{"POST", "/networks/n1/disconnect", `{"Container":"made"}`, 200, ``},
	{"POST", "/networks/n1/disconnect", `{"Container":"made"}`, 400, `is not connected to network n1`},
	{"POST", "/networks/prune?filters={%22label%22:[%22l=2%22]}", "", 200, `"NetworksDeleted":(null|\[\])`},
	{"POST", "/networks/prune?filters={%22label!%22:[%22l%22]}", "", 200, `"NetworksDeleted":(null|\[\])`},
	{"POST", "/networks/prune?filters={%22until%22:[%2210m%22]}", "", 200, `"NetworksDeleted":(null|\[\])`},
	{"POST", "/networks/prune?filters={%22nothing%22:[%22x%22]}", "", 400, `nothing`},
	{"POST", "/networks/prune?filters={%22until%22:[%22x%22]}", "", 400, `.`},
	{"POST", "/networks/prune?filters={%22label%22:[%22l=1%22]}", "", 200, `"NetworksDeleted":\["n1"\]`},

	// Images.
	{"GET", "/images/box/history", "", 200, `"Id":"sha256:[0-9a-f]{64}","Created":\d+,"CreatedBy":.*"Tags":\["box:latest"\],"Size":[1-9]\d*,"Comment":`},
	{"GET", "/images/search?term=x&limit=101", "", 400, `limit|Limit`},
	{"GET", "/images/search?term=x&filters={%22is-automated%22:[%22x%22]}", "", 400, `is-automated`},
	{"GET", "/images/search?term=x&filters={%22stars%22:[%22x%22]}", "", 400, `stars`},
	{"POST", "/images/prune?filters={%22dangling%22:[%22x%22]}", "", 400, `dangling`},
	{"POST", "/images/prune?filters={%22until%22:[%22x%22]}", "", 400, `.`},
	{"POST", "/images/prune?filters={%22dangling%22:[%22false%22],%22label%22:[%22no=such%22]}", "", 200, `"ImagesDeleted":(null|\[\])`},
	{"GET", "/v1.40/images/json?filter=box", "", 200, `"RepoTags":\["box:latest"\]`},
	{"GET", "/v1.40/images/json?filter=none", "", 200, `^\[\]\s$`},
	{"GET", "/images/json?filters={%22before%22:[%22none%22]}", "", 404, `(?i)no such image`},
	{"GET", "/images/json?filters={%22label%22:[%22no=such%22]}", "", 200, `^\[\]\s$`},
	{"GET", "/images/json?digests=1", "", 200, `"RepoDigests":`},
	{"POST", "/images/create?fromImage=box&platform=nothing", "", 400, `nothing`},

	// Waiting for what is over, or never was.
	{"POST", "/containers/ended/wait", "", 200, `^\{"StatusCode":3`},
	{"POST", "/containers/ended/wait?condition=not-running", "", 200, `^\{"StatusCode":3`},
	{"POST", "/containers/none/wait?condition=removed", "", 404, `No such container: none`},
	{"POST", "/containers/made/wait", "", 200, `^\{"StatusCode":0`},

	// Archives.
	{"GET", "/containers/runs/archive?path=/bin/busybox/", "", 400, `not a directory`},
	{"PUT", "/containers/runs/archive?path=/bin/busybox/", "", 400, `not a directory`},
	{"PUT", "/containers/runs/archive?path=/dne", "", 404, `Could not find the file /dne in container runs`},
	{"PUT", "/containers/runs/archive?path=/", "not a tar", 400, `.`},
	{"PUT", "/containers/runs/archive?path=/", "", 200, ``},
	{"PUT", "/containers/fixed/archive?path=/", "", 403, `read-only`},
	{"HEAD", "/containers/runs/archive", "", 400, ``},

	// Execs.
	{"POST", "/containers/paused/exec", `{"Cmd":["true"]}`, 409, `is paused, unpause the container before exec`},
	{"POST", "/containers/runs/exec", `{"Cmd":["true"],"DetachKeys":"nothing"}`, 400, `(?i)detach|key`},
	{"POST", "/containers/runs/exec", `{"Cmd":["true"],"WorkingDir":"relative"}`, 201, `"Id"`},

	// Logs.
	{"GET", "/containers/runs/logs?stdout=1&tail=0", "", 200, `^$`},
	{"GET", "/containers/runs/logs?stdout=1&tail=-1", "", 200, `said`},
	{"GET", "/containers/runs/logs?stdout=1&timestamps=1", "", 200, `20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z said`},
	{"GET", "/containers/runs/logs?stdout=1&since=2001-01-01T00:00:00Z", "", 200, `said`},
	{"GET", "/containers/runs/logs?stdout=1&since=9999999999", "", 200, `^$`},
	{"GET", "/containers/runs/logs?stderr=1", "", 200, `^$`},
	{"GET", "/containers/ended/logs?stdout=1&follow=1", "", 200, `three`},
	{"GET", "/containers/ended/logs?stdout=1&details=1", "", 200, `three`},

	// Attach and stats.
	{"POST", "/containers/paused/attach?stream=1&stdout=1", "", 409, `is paused, unpause the container before attach`},
	{"POST", "/containers/none/attach?stream=1&stdout=1", "", 404, `No such container: none`},
	{"POST", "/containers/runs/attach?stream=1&stdout=1&detachKeys=nothing", "", 400, `(?i)key`},
	{"GET", "/containers/runs/stats?stream=1&one-shot=1", "", 400, `cannot have stream=true and one-shot=true`},
	{"GET", "/containers/runs/stats?stream=0", "", 200, `"precpu_stats":\{"cpu_usage":\{"total_usage":[1-9]`},
	{"GET", "/containers/runs/stats?stream=0&one-shot=1", "", 200, `"precpu_stats":\{"cpu_usage":\{"total_usage":0`},
	{"GET", "/containers/paused/stats?stream=0&one-shot=1", "", 200, `"memory_stats":\{"usage":[1-9]`},

	// Life, once more.
	{"POST", "/containers/paused/pause", "", 409, `already paused`},
	{"POST", "/containers/paused/start", "", 409, `cannot start a paused container, try unpause instead`},
	{"POST", "/containers/runs/kill?signal=0", "", 400, `invalid signal: 0`},
	{"POST", "/containers/runs/kill?signal=WINCH", "", 204, ``},
	{"POST", "/containers/runs/kill?signal=28", "", 204, ``},
	{"POST", "/containers/ended/resize?h=1&w=1", "", 409, `is not running`},
	{"POST", "/containers/prune?filters={%22until%22:[%22x%22]}", "", 400, `.`},
	{"POST", "/containers/prune?filters={%22label%22:[%22no=such%22]}", "", 200, `"ContainersDeleted":(null|\[\])`},

	// Builds, by their query.
	{"POST", "/build?buildargs=x", "", 400, `buildargs|build args|invalid character`},
	{"POST", "/build?labels=x", "", 400, `labels|invalid character`},
	{"POST", "/build?cachefrom=x", "", 400, `cachefrom|invalid character`},
	{"POST", "/build?ulimits=x", "", 400, `ulimits|invalid character`},
	{"POST", "/build?outputs=x", "", 400, `outputs|invalid character`},
	{"POST", "/build?platform=no/such/thing/x", "", 400, `(?i)platform|no/such`},
	{"POST", "/build?t=UPPER", "", 400, `lower case`},
	{"POST", "/build?shmsize=x", "", 400, `.`},
	{"POST", "/build/cancel", "", 400, `.`},

	// Volumes and the rest.
	{"POST", "/volumes/create", `{"Name":"v1","Labels":{"l":"1"}}`, 201, `"Name":"v1"`},
	{"GET", "/volumes?filters={%22name%22:[%22v%22]}", "", 200, `"Name":"v1"`},
	{"GET", "/volumes?filters={%22label%22:[%22l=2%22]}", "", 200, `"Volumes":\[\]`},
	{"GET", "/volumes?filters={%22driver%22:[%22local%22]}", "", 200, `"Name":"v1"`},
	{"POST", "/volumes/prune", "", 200, `"VolumesDeleted":(null|\[("[0-9a-f]{64}",?)*\])`},
	{"GET", "/volumes/v1", "", 200, `"Status"|"Options"`},
	{"POST", "/volumes/prune?filters={%22all%22:[%22x%22]}", "", 400, `all`},
	{"POST", "/volumes/prune?filters={%22all%22:[%22true%22],%22label%22:[%22l=1%22]}", "", 200, `"VolumesDeleted":\["v1"\]`},
	{"GET", "/events?since=1&until=2001-01-01T00:00:00Z", "", 200, `^$`},
	{"GET", "/events?since=1.000000001&until=2.5", "", 200, `^$`},
	{"GET", "/events?since=9999999999&until=1", "", 400, `(?i)since`},
	{"GET", "/events?since=1&until=2&filters={%22scope%22:[%22local%22],%22daemon%22:[%22x%22]}", "", 200, `^$`},
	{"GET", "/_ping?x=y", "", 200, `OK`},
	{"HEAD", "/containers/json", "", 404, ``},
}

// TestAsked asks all that.
func TestAsked(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	c.Timeout = 20 * time.Second // of one that streams what should be refused
	make := func(name, body string) string {
		id := c.create(t, body)
		c.want(t, 204, "POST", "/containers/"+id+"/rename?name="+name, "")
		return id
	}
	id := make("runs", `{"Image":"box","Cmd":["sh","-c","echo said; trap : WINCH; while :; do sleep 1000; done"],"HostConfig":{"NetworkMode":"none"}}`)
	make("paused", `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none"}}`)
	make("ended", `{"Image":"box","Cmd":["sh","-c","echo three; exit 3"],"HostConfig":{"NetworkMode":"none"}}`)
	make("fixed", `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none","ReadonlyRootfs":true}}`)
	make("made", `{"Image":"box","Cmd":["true"]}`)
	for _, name := range []string{"runs", "paused", "ended"} {
		c.want(t, 204, "POST", "/containers/"+name+"/start", "")
	}
	c.want(t, 200, "POST", "/containers/ended/wait", "")
	c.want(t, 204, "POST", "/containers/paused/pause", "")
	r := strings.NewReplacer("$ID", id)
	passed := 0
	for _, a := range asked {
		res, text := c.ask(t, a.method, r.Replace(a.path), a.body)
		if res.StatusCode != a.status || !regexp.MustCompile(r.Replace(a.has)).MatchString(text) {
			t.Errorf("%s %s %s is %d, want %d and %s\n\t%.600s", a.method, a.path, a.body, res.StatusCode, a.status, a.has, text)
			continue
		}
		if res.StatusCode >= 400 && a.method != http.MethodHead && !inShape(a.path, text) {
			t.Errorf("%s %s: the error is not in docker's shape: %s", a.method, a.path, text)
		}
		passed++
	}
	t.Logf("%d of %d answers", passed, len(asked))
}

// asText is where docker tells errors as a line of text: where a stream would have been
// taken over, and to clients older than any that is served.
var asText = regexp.MustCompile(`/attach(\?|$)|^/v1\.(1?\d|2[0-3])/`)

// inShape reports whether an error is told as docker tells it.
func inShape(path, text string) bool {
	return strings.HasPrefix(text, `{"message":"`) != asText.MatchString(path)
}

// TestNamesInArchives holds what the entries of an archive are called for each way to
// write a path, which clients build on.
func TestNamesInArchives(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["true"]}`)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "foo", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: "bar/quux/baz", Typeflag: tar.TypeReg, Mode: 0o644},
		{Name: "bar/notarget", Typeflag: tar.TypeSymlink, Linkname: "notexist"},
		{Name: "bar/dirsymlink", Typeflag: tar.TypeSymlink, Linkname: "quux"},
		{Name: "bar/root", Typeflag: tar.TypeSymlink, Linkname: "/"},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c.want(t, 200, "PUT", "/containers/"+id+"/archive?path=/", b.String())
	for path, want := range map[string][]string{
		"/":                {"/", "/foo", "/bar/quux/baz"},
		".":                {"./", "./foo", "./bar/quux/baz"},
		"/.":               {"./", "./foo"},
		"./":               {"./", "./foo"},
		"/bar/root":        {"root"},
		"/bar/root/":       {"root/", "root/foo", "root/bar/quux/baz"},
		"/bar/root/.":      {"./", "./foo"},
		"bar/quux":         {"quux/", "quux/baz"},
		"bar/quux/":        {"quux/", "quux/baz"},
		"bar/quux/.":       {"./", "./baz"},
		"bar/quux/baz":     {"baz"},
		"bar/dirsymlink":   {"dirsymlink"},
		"bar/dirsymlink/":  {"dirsymlink/", "dirsymlink/baz"},
		"bar/dirsymlink/.": {"./", "./baz"},
		"bar/notarget":     {"notarget"},
	} {
		names := map[string]bool{}
		for tr := tar.NewReader(strings.NewReader(c.want(t, 200, "GET", "/containers/"+id+"/archive?path="+path, ""))); ; {
			hdr, err := tr.Next()
			if err != nil {
				break
			}
			names[hdr.Name] = true
		}
		for _, name := range want {
			if !names[name] {
				t.Errorf("%s: there is no %s", path, name)
			}
		}
	}
}

// TestRecreated makes containers of what others are inspected as, which is how programs
// that update containers work: they are the same again.
func TestRecreated(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	c.want(t, 201, "POST", "/networks/create", `{"Name":"app"}`)
	c.want(t, 201, "POST", "/networks/create", `{"Name":"back"}`)
	for name, body := range map[string]string{
		"plain":   `{"Image":"box","Cmd":["sleep","1000"]}`,
		"options": `{"Image":"box","Cmd":["sleep","1000"],"Hostname":"h","User":"0:0","Env":["A=b"],"Labels":{"a":"b"},"ExposedPorts":{"80/tcp":{}},"Tty":true,"OpenStdin":true,"StopSignal":"SIGINT","StopTimeout":3,"WorkingDir":"/tmp","Healthcheck":{"Test":["CMD","true"],"Interval":1000000000},"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":""}]},"RestartPolicy":{"Name":"unless-stopped"},"Memory":67108864,"NanoCpus":500000000,"PidsLimit":50,"CapAdd":["NET_ADMIN"],"CapDrop":["MKNOD"],"Dns":["10.0.0.1"],"ExtraHosts":["x:10.0.0.2"],"ShmSize":1048576,"Tmpfs":{"/t":"size=1m"},"Ulimits":[{"Name":"nofile","Soft":100,"Hard":200}],"Init":true,"SecurityOpt":["no-new-privileges"],"ReadonlyRootfs":true,"LogConfig":{"Type":"json-file","Config":{"max-size":"1m"}}}}`,
		"volumes": `{"Image":"box","Cmd":["sleep","1000"],"Volumes":{"/anonymous":{}},"HostConfig":{"Binds":["named:/named:ro","/tmp:/host"],"Mounts":[{"Type":"volume","Source":"other","Target":"/other"},{"Type":"tmpfs","Target":"/mem"}]}}`,
		"network": `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"app"},"NetworkingConfig":{"EndpointsConfig":{"app":{"Aliases":["web"]},"back":{}}}}`,
		"default": `{"Image":"box","Cmd":["sleep","1000"],"NetworkingConfig":{"EndpointsConfig":{"default":{"MacAddress":""}}}}`,
		"host":    `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"host","PidMode":"host","IpcMode":"host","UTSMode":"host"}}`,
	} {
		id := c.create(t, body)
		c.want(t, 204, "POST", "/containers/"+id+"/start", "")
		before := c.inspected(t, id)
		c.want(t, 204, "DELETE", "/containers/"+id+"?force=1", "")
		again := c.create(t, before.create(t))
		c.want(t, 204, "POST", "/containers/"+again+"/start", "")
		after := c.inspected(t, again)
		c.want(t, 204, "DELETE", "/containers/"+again+"?force=1", "")
		if !before.State.Running || !after.State.Running {
			t.Errorf("%s ran: %v, and again: %v", name, before.State, after.State)
		}
		anothers := regexp.MustCompile(`"(EndpointID|SandboxID|IPAddress|MacAddress|Gateway|NetworkID)":"[^"]*"|"DNSNames":[^\]]*\]`)
		was, is := anothers.ReplaceAllString(before.create(t), ""), anothers.ReplaceAllString(after.create(t), "")
		at := 0
		for at < min(len(was), len(is)) && was[at] == is[at] {
			at++
		}
		if was != is {
			t.Errorf("%s was …%.200s and is …%.200s", name, was[max(at-60, 0):], is[max(at-60, 0):])
		}
	}
}

// inspection is what of a container's inspect goes into a create.
type inspection struct {
	Config          map[string]any
	HostConfig      map[string]any
	NetworkSettings struct{ Networks map[string]map[string]any }
	State           struct {
		Running  bool
		ExitCode int
		Error    string
	}
}

func (c *client) inspected(t *testing.T, id string) (in inspection) {
	t.Helper()
	if err := json.Unmarshal([]byte(c.want(t, 200, "GET", "/containers/"+id+"/json", "")), &in); err != nil {
		t.Fatal(err)
	}
	return in
}

// create is the body that makes the container again.
func (in inspection) create(t *testing.T) string {
	t.Helper()
	body := map[string]any{}
	for key, value := range in.Config {
		body[key] = value
	}
	body["HostConfig"] = in.HostConfig
	body["NetworkingConfig"] = map[string]any{"EndpointsConfig": in.NetworkSettings.Networks}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
