package api_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestMoreReports tries more of what people reported, by the same names.
func TestMoreReports(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	c.Timeout = 30 * time.Second
	for name, try := range map[string]func(*testing.T, *client){
		"moby 51362, 16403, 16406: empty, and not null":                            emptyNotNull,
		"portainer 6294: images for clients of before":                             imagesOfBefore,
		"podman 8649: files for a volume of what never ran":                        filesForVolume,
		"podman 7790, 14420, 14526: a file over a directory":                       fileOverDirectory,
		"testcontainers-go 3766: the states of an exec":                            statesOfExec,
		"testcontainers-go 2931: an exec that prints much":                         execPrintsMuch,
		"testcontainers-rs 299, testcontainers-java 11215: logs of what has ended": logsOfEnded,
		"podman 11285, 9466, 8691: networks made of nothing":                       networksOfNothing,
		"podman 6899, 16857, 16912, 21773: events by filters":                      eventsByFilters,
		"podman 28926, 29366: states that nothing is in":                           statesOfNothing,
		"podman 12652, 17728: conditions and states":                               conditions,
		"podman 23712: streams answer at once":                                     streamsAtOnce,
		"moby 12529, 14216, 10707, 10504, 27772: stats of what does not run":       statsOfStopped,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			try(t, c)
		})
	}
}

// quiet is a container without a network that does what a shell is told.
func quiet(script string) string {
	return fmt.Sprintf(`{"Image":"box","Cmd":["sh","-c",%q],"HostConfig":{"NetworkMode":"none"}}`, script)
}

// ended makes one that has ended.
func (c *client) ended(t *testing.T, script string) string {
	t.Helper()
	id := c.started(t, quiet(script))
	c.want(t, http.StatusOK, "POST", "/containers/"+id+"/wait", "")
	return id
}

func emptyNotNull(t *testing.T, c *client) {
	nothing := url.QueryEscape(`{"name":["nothing-has-this-name"]}`)
	for _, path := range []string{"/containers/json?all=1&filters=", "/volumes?filters=", "/networks?filters="} {
		hasNot(t, c.want(t, http.StatusOK, "GET", path+nothing, ""), "null")
	}
	id := c.create(t, `{"Image":"box","Cmd":["true"]}`)
	for _, version := range []string{"/v1.24", "/v1.30", "/v1.44", "/v1.51", ""} {
		has(t, c.want(t, http.StatusOK, "GET", version+"/containers/"+id+"/json", ""), `"Config":\{"`, `"HostConfig":\{"`,
			`"NetworkSettings":\{"`, `"Mounts":\[`)
	}
}

func imagesOfBefore(t *testing.T, c *client) {
	for _, version := range []string{"/v1.24", "/v1.40", "/v1.44"} {
		has(t, c.want(t, http.StatusOK, "GET", version+"/images/box/json", ""), `"ContainerConfig":\{"`, `"Config":\{"`, `"Container":""`)
	}
	hasNot(t, c.want(t, http.StatusOK, "GET", "/v1.45/images/box/json", ""), `"ContainerConfig"`, `"Container":`, `"VirtualSize"`)
}

// archiveOf is a tar archive of one file.
func archiveOf(t *testing.T, name, body string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func filesForVolume(t *testing.T, c *client) {
	id := c.create(t, `{"Image":"box","Cmd":["cat","/vol1/test.txt"],"Volumes":{"/vol1":{}},"NetworkDisabled":false,`+
		`"HostConfig":{"NetworkMode":"none"}}`)
	c.want(t, http.StatusOK, "PUT", "/v1.40/containers/"+id+"/archive?path=/vol1", archiveOf(t, "test.txt", "of the archive"))
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/start", "")
	c.want(t, http.StatusOK, "POST", "/containers/"+id+"/wait", "")
	has(t, c.want(t, http.StatusOK, "GET", "/containers/"+id+"/logs?stdout=1", ""), "of the archive")
}

func fileOverDirectory(t *testing.T, c *client) {
	id := c.ended(t, "mkdir -p /here/abc; touch /here/file")
	put := "/containers/" + id + "/archive?noOverwriteDirNonDir=1&path=/here"
	c.want(t, http.StatusBadRequest, "PUT", put, archiveOf(t, "abc", "a file"))
	c.want(t, http.StatusBadRequest, "PUT", put, archiveOf(t, "file/below", "a file"))
	res, _ := c.ask(t, "HEAD", "/containers/"+id+"/archive?path=/here/abc", "")
	if res.StatusCode != http.StatusOK || res.Header.Get("X-Docker-Container-Path-Stat") == "" {
		t.Errorf("the directory: %s", res.Status)
	}
}

func statesOfExec(t *testing.T, c *client) {
	id := c.started(t, quiet("sleep 1000"))
	var made struct{ ID string }
	text := c.want(t, http.StatusCreated, "POST", "/containers/"+id+"/exec", `{"Cmd":["sh","-c","read x; exit 7"],"AttachStdin":true,"AttachStdout":true}`)
	if err := json.Unmarshal([]byte(text), &made); err != nil {
		t.Fatal(err)
	}
	inspect := func() string { return c.want(t, http.StatusOK, "GET", "/exec/"+made.ID+"/json", "") }
	has(t, inspect(), `"Running":false`, `"ExitCode":null`, `"Pid":0`)
	h := c.hijack(t, "/exec/"+made.ID+"/start", `{"Detach":false,"Tty":false}`, true)
	has(t, inspect(), `"Running":true`, `"ExitCode":null`)
	if _, err := io.WriteString(h, "go\n"); err != nil {
		t.Fatal(err)
	}
	h.frames(t)
	has(t, inspect(), `"Running":false`, `"ExitCode":7`)
}

func execPrintsMuch(t *testing.T, c *client) {
	id := c.started(t, quiet("sleep 1000"))
	const much = 8 << 20
	h := c.exec(t, id, fmt.Sprintf(`{"Cmd":["sh","-c","head -c %d /dev/zero; echo done >&2"],"AttachStdout":true,"AttachStderr":true}`, much))
	if got := h.frames(t); len(got[1]) != much || got[2] != "done\n" {
		t.Errorf("%d bytes and %q", len(got[1]), got[2])
	}
}

func logsOfEnded(t *testing.T, c *client) {
	id := c.ended(t, "echo why; exit 3")
	for range 2 {
		has(t, c.want(t, http.StatusOK, "GET", "/containers/"+id+"/logs?stdout=1&stderr=1&follow=1", ""), "why")
	}
	never := c.create(t, `{"Image":"box","Cmd":["/no/such/program"],"HostConfig":{"NetworkMode":"none"}}`)
	c.want(t, http.StatusBadRequest, "POST", "/containers/"+never+"/start", "")
	c.want(t, http.StatusOK, "GET", "/containers/"+never+"/logs?stdout=1&stderr=1", "")
	has(t, c.want(t, http.StatusOK, "GET", "/containers/"+never+"/json", ""), `"ExitCode":127`, `"Error":"[^"]+`)
}

func networksOfNothing(t *testing.T, c *client) {
	for name, body := range map[string]string{
		"nulls": `{"enableIPv6":null,"Name":"report-nulls","Driver":null,"IPAM":null,"Options":{},"CheckDuplicate":true,` +
			`"Internal":null,"EnableIPv6":null,"Attachable":null,"Labels":{"org.testcontainers":"true"}}`,
		"empty": `{"Name":"report-empty","IPAM":{"Config":[]}}`,
	} {
		c.want(t, http.StatusCreated, "POST", "/networks/create", body)
		told := c.want(t, http.StatusOK, "GET", "/networks/report-"+name, "")
		has(t, told, `"Options":\{`, `"Labels":\{`, `"Containers":\{`, `"Scope":"local"`, `"Driver":"bridge"`, `"Config":\[\{`)
		id := c.create(t, `{"name":null,"Hostname":null,"Image":"box","Cmd":["true"],"Env":null,"Volumes":null,"ExposedPorts":null,`+
			`"HostConfig":{"Binds":null,"PortBindings":null,"NetworkMode":"report-`+name+`","Memory":null,"CapAdd":null},`+
			`"NetworkingConfig":{"EndpointsConfig":{"report-`+name+`":{"Aliases":["a"],"IPAMConfig":null,"Links":null}}}}`)
		c.want(t, http.StatusNoContent, "DELETE", "/containers/"+id, "")
		c.want(t, http.StatusNoContent, "DELETE", "/networks/report-"+name, "")
	}
}

func eventsByFilters(t *testing.T, c *client) {
	since := time.Now().Add(-time.Second).Unix()
	id := c.ended(t, "exit 0")
	until := time.Now().Add(time.Second).Unix()
	for filter, want := range map[string]string{
		`{"container":["` + id + `"],"event":["die"]}`:                                        `"Action":"die"`,
		`{"container":{"` + id + `":true},"event":{"die":true}}`:                              `"Action":"die"`,
		`{"type":["container"],"image":["box"],"container":["` + id + `"],"event":["start"]}`: `"Action":"start"`,
	} {
		path := fmt.Sprintf("/events?since=%d&until=%d&filters=%s", since, until, url.QueryEscape(filter))
		has(t, c.want(t, http.StatusOK, "GET", path, ""), want)
	}
	for _, wrong := range []string{`{`, `[]`, `{"nonsense":["x"]}`, `{"type":"container"}`} {
		c.want(t, http.StatusBadRequest, "GET", "/events?until=1&filters="+url.QueryEscape(wrong), "")
	}
}

func statesOfNothing(t *testing.T, c *client) {
	for state, status := range map[string]int{
		"dead": http.StatusOK, "restarting": http.StatusOK, "removing": http.StatusOK, "stopped": http.StatusBadRequest,
	} {
		c.want(t, status, "GET", "/containers/json?filters="+url.QueryEscape(`{"status":["`+state+`"]}`), "")
	}
}

func conditions(t *testing.T, c *client) {
	id := c.ended(t, "exit 4")
	has(t, c.want(t, http.StatusBadRequest, "POST", "/containers/"+id+"/wait?condition=stopped", ""), `invalid condition: \\"stopped\\"`)
	has(t, c.want(t, http.StatusOK, "POST", "/containers/"+id+"/wait?condition=not-running", ""), `"StatusCode":4`)
	has(t, c.want(t, http.StatusOK, "GET", "/containers/"+id+"/json", ""), `"Status":"exited"`)
}

func streamsAtOnce(t *testing.T, c *client) {
	id := c.started(t, quiet("sleep 1000"))
	for _, path := range []string{"/containers/" + id + "/logs?stdout=1&follow=1", "/events", "/containers/" + id + "/stats"} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://d"+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Errorf("%s: no headers came: %v", path, err)
		} else {
			res.Body.Close()
		}
		cancel()
	}
}

func statsOfStopped(t *testing.T, c *client) {
	id := c.ended(t, "exit 0")
	again := c.started(t, strings.Replace(quiet("exit 1"), `"HostConfig":{`, `"HostConfig":{"RestartPolicy":{"Name":"always"},`, 1))
	for _, one := range []string{id, again} {
		for _, how := range []string{"stream=0", "stream=false", "stream=0&one-shot=1"} {
			has(t, c.want(t, http.StatusOK, "GET", "/containers/"+one+"/stats?"+how, ""), `"name":"/`)
		}
	}
	c.want(t, http.StatusNoContent, "DELETE", "/containers/"+again+"?force=1", "")
}
