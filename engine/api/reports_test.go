package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestReports tries what people reported of engines that answer docker's API, and of clients
// against them: each is named for the project that it was reported to.
func TestReports(t *testing.T) {
	t.Parallel()
	e := withBox(t)
	c := serve(t, e)
	c.Timeout = 30 * time.Second
	for name, try := range map[string]func(*testing.T, *client){
		"podman 6803, 9837, 11926; dmandalidis docker-client 499; testcontainers-node 1108: ports": portsOfReports,
		"dockerode 730; podman 9126: ports that somebody else chooses":                             chosenPorts,
		"podman 14647, home-assistant 162760: what it is":                                          contentTypes,
		"podman 7327: what lists of images have":                                                   imagesOfReports,
		"podman 15218, 14676: stats":                                                               statsOfReports,
		"podman 10663, 16540, 12392: builds":                                                       buildsOfReports,
		"podman 23898: one whose network is used":                                                  usedNetwork,
		"traefik 487, 11494: addresses and health":                                                 seenByProxies,
		"act 303: paths through links":                                                             pathsThroughLinks,
		"podman 10857, 8962: stops and removals of what never ran":                                 neverRan,
		"dockerode 457: attached before it runs":                                                   attachedBefore,
		"podman 10090: everything at once":                                                         atOnce,
		"podman 25114, actions-runner 505: labels of networks":                                     labelsOfNetworks,
		"portainer 2991: volumes without a name":                                                   namelessVolumes,
		"podman 13831: a context elsewhere that is none":                                           remoteContext,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			try(t, c)
		})
	}
}

func has(t *testing.T, text string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(text) {
			t.Errorf("%s is not in %.1500s", p, text)
		}
	}
}

func hasNot(t *testing.T, text string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if regexp.MustCompile(p).MatchString(text) {
			t.Errorf("%s is in %.1500s", p, text)
		}
	}
}

// started makes and starts one.
func (c *client) started(t *testing.T, body string) string {
	t.Helper()
	id := c.create(t, body)
	c.want(t, 204, "POST", "/containers/"+id+"/start", "")
	return id
}

// portsOfReports: what is published has an address and a number, and what is only exposed is null.
func portsOfReports(t *testing.T, c *client) {
	id := c.started(t, `{"Image":"box","Cmd":["sleep","1000"],"ExposedPorts":{"8080/tcp":{},"8081/tcp":{}},
		"HostConfig":{"PortBindings":{"8080/tcp":[{"HostIp":"","HostPort":""}]}}}`)
	text := c.want(t, 200, "GET", "/containers/"+id+"/json", "")
	has(t, text, `"8080/tcp":\[\{"HostIp":"0\.0\.0\.0","HostPort":"[1-9]\d+"\}`, `"8081/tcp":null`, `"PortBindings":\{"8080/tcp":\[`,
		`"Networks":\{"bridge":\{`)
	hasNot(t, text, `"PortBindings":null`, `"Ports":null`, `"Networks":null`)
	has(t, c.want(t, 200, "GET", "/containers/json?filters="+url.QueryEscape(`{"id":["`+id+`"]}`), ""),
		`"PrivatePort":8080,"PublicPort":[1-9]\d+,"Type":"tcp"`, `"PrivatePort":8081,"Type":"tcp"`)
}

// chosenPorts: all three ways of not choosing one.
func chosenPorts(t *testing.T, c *client) {
	for _, host := range []string{
		`"PublishAllPorts":true`, `"PortBindings":{"80/tcp":[{}]}`, `"PortBindings":{"80/tcp":[{"HostPort":"0"}]}`, `"PortBindings":{"80/tcp":[]}`,
	} {
		id := c.started(t, `{"Image":"box","Cmd":["sleep","1000"],"ExposedPorts":{"80/tcp":{}},"HostConfig":{`+host+`}}`)
		text := c.want(t, 200, "GET", "/containers/"+id+"/json", "")
		if strings.HasSuffix(host, `[]}`) {
			continue // docker publishes nothing then: that it is created and starts is all
		}
		has(t, text, `"80/tcp":\[\{"HostIp":"[^"]*","HostPort":"[1-9]\d+"\}`)
	}
}

func contentTypes(t *testing.T, c *client) {
	id := c.started(t, `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none"}}`)
	for _, path := range []string{
		"/containers/json?filters=" + url.QueryEscape(`{"name":["nobody-has-this"]}`), "/images/json?filters=" + url.QueryEscape(`{"reference":["nothing"]}`),
		"/containers/" + id + "/stats?stream=false&one-shot=true", "/containers/" + id + "/stats?stream=0", "/volumes", "/networks", "/events?since=1&until=2",
	} {
		res, _ := c.ask(t, "GET", path, "")
		if got := res.Header.Get("Content-Type"); got != "application/json" {
			t.Errorf("%s is %q", path, got)
		}
	}
}

// imagesOfReports: programs that want every attribute of the document find it.
func imagesOfReports(t *testing.T, c *client) {
	for _, version := range []string{"1.40", "1.43", "1.51"} {
		text := c.want(t, 200, "GET", "/v"+version+"/images/json", "")
		has(t, text, `"ParentId":"`, `"RepoTags":\[`, `"RepoDigests":\[`, `"SharedSize":-?\d`, `"Labels":(\{|null)`, `"Containers":-?\d`, `"Created":\d`, `"Size":\d`)
		if version != "1.51" {
			has(t, text, `"VirtualSize":\d`)
		}
	}
}

// statsOfReports: one that does not run has figures, all zero; a limit is the container's own.
func statsOfReports(t *testing.T, c *client) {
	id := c.started(t, `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none","Memory":67108864}}`)
	has(t, c.want(t, 200, "GET", "/containers/"+id+"/stats?stream=0&one-shot=1", ""), `"limit":67108864`)
	c.want(t, 204, "POST", "/containers/"+id+"/stop?t=0", "")
	has(t, c.want(t, 200, "GET", "/containers/"+id+"/stats?stream=0&one-shot=1", ""), `"read":"0001-01-01T00:00:00Z"`, `"memory_stats":\{`)
}

// buildsOfReports: a Dockerfile of another name, as a plain word; every parameter that docker's
// own command line sends, though it is empty; and a failure in both its forms.
func buildsOfReports(t *testing.T, c *client) {
	dockerfile := func(text string) string {
		return tarredText(t, map[string]string{"custom.dockerfile": text})
	}
	build := func(query, body string) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://d"+query, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-tar")
		status, text := c.send(t, req)
		if status != 200 {
			t.Errorf("%s is %d %s", query, status, text)
		}
		return text
	}
	has(t, build("/v1.40/build?dockerfile=custom.dockerfile", dockerfile("FROM box\n")), `"stream":"Step 1/1 : FROM box`, `Successfully built`, `"aux":\{"ID":"sha256:`)
	has(t, build("/v1.41/build?buildargs=%7B%7D&cachefrom=%5B%5D&cgroupparent=&cpuperiod=0&cpuquota=0&cpusetcpus=&cpusetmems=&cpushares=0&dockerfile=custom.dockerfile"+
		"&labels=%7B%7D&memory=0&memswap=0&networkmode=default&rm=1&shmsize=0&t=of-report%3A1&target=&ulimits=null&version=1", dockerfile("FROM box\n")),
		`Successfully tagged of-report:1`)
	has(t, build("/build?dockerfile=custom.dockerfile", dockerfile("FROM box\nRUN exit 3\n")), `"errorDetail":\{"code":3,"message":"[^"]+"\},"error":"`)
}

// usedNetwork: whose network another one has may be removed and made again, as compose does.
func usedNetwork(t *testing.T, c *client) {
	const body = `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none"}}`
	first := c.create(t, body)
	c.want(t, 204, "POST", "/containers/"+first+"/start", "")
	c.started(t, `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"container:`+first+`"}}`)
	c.want(t, 204, "POST", "/containers/"+first+"/rename?name=used-before", "")
	c.want(t, 204, "POST", "/containers/"+first+"/stop?t=0", "")
	c.want(t, 204, "DELETE", "/containers/"+first, "")
	c.started(t, body)
}

// seenByProxies: one with the host's network has that network and no address, and one without
// a check has no health.
func seenByProxies(t *testing.T, c *client) {
	id := c.started(t, `{"Image":"box","Cmd":["sleep","1000"],"Labels":{"of":"proxy"},"HostConfig":{"NetworkMode":"host"}}`)
	has(t, c.want(t, 200, "GET", "/containers/json?filters="+url.QueryEscape(`{"label":["of=proxy"]}`), ""),
		`"HostConfig":\{"NetworkMode":"host"`, `"Networks":\{"host":\{`, `"IPAddress":""`)
	text := c.want(t, 200, "GET", "/containers/"+id+"/json", "")
	has(t, text, `"NetworkMode":"host"`, `"Networks":\{"host":\{`)
	hasNot(t, text, `"Health":`)
	id = c.started(t, `{"Image":"box","Cmd":["sleep","1000"]}`)
	has(t, c.want(t, 200, "GET", "/containers/"+id+"/json", ""), `"bridge":\{[^}]*"Gateway":"\d+\.`, `"IPAddress":"\d+\.\d+\.\d+\.\d+"`, `"IPPrefixLen":\d`)
}

// pathsThroughLinks: a directory on the way may be a link of the container's.
func pathsThroughLinks(t *testing.T, c *client) {
	id := c.started(t, `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none"}}`)
	made := c.exec(t, id, `{"Cmd":["sh","-c","busybox mkdir -p /run/act /var; busybox ln -s /run /var/run; echo text >/run/act/paths.txt"],"AttachStdout":true}`)
	made.frames(t)
	has(t, c.want(t, 200, "GET", "/containers/"+id+"/archive?path=/var/run/act/paths.txt", ""), `text`)
	c.want(t, 200, "HEAD", "/containers/"+id+"/archive?path=/var/run/act/paths.txt", "")
	c.want(t, 200, "PUT", "/containers/"+id+"/archive?path=/var/run/act", tarredText(t, map[string]string{"more.txt": "more"}))
	has(t, c.want(t, 200, "GET", "/containers/"+id+"/archive?path=/run/act/more.txt", ""), `more`)
}

func neverRan(t *testing.T, c *client) {
	id := c.create(t, `{"Image":"box","Cmd":["true"],"HostConfig":{"NetworkMode":"none"}}`)
	c.want(t, 304, "POST", "/containers/"+id+"/stop", "")
	c.want(t, 304, "POST", "/containers/"+id+"/stop?t=1", "")
	has(t, c.want(t, 200, "GET", "/containers/"+id+"/json", ""), `"Status":"created"`, `"StartedAt":"0001-01-01T00:00:00Z"`)
	c.want(t, 204, "DELETE", "/containers/"+id, "")
}

// attachedBefore: what is typed before the start is read after it.
func attachedBefore(t *testing.T, c *client) {
	id := c.create(t, `{"Image":"box","Cmd":["cat"],"OpenStdin":true,"StdinOnce":true,"HostConfig":{"NetworkMode":"none","AutoRemove":true}}`)
	conn := c.hijack(t, "/containers/"+id+"/attach?stream=1&stdin=1&stdout=1", "", true)
	fmt.Fprint(conn, "typed early\n")
	c.want(t, 204, "POST", "/containers/"+id+"/start", "")
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := conn.frames(t); got[1] != "typed early\n" {
		t.Errorf("%q", got)
	}
}

// atOnce does with one container what several runners do, none of whom waits for another: each
// is answered, and the lists are too.
func atOnce(t *testing.T, c *client) {
	for range 4 {
		id := c.create(t, `{"Image":"box","Cmd":["sleep","1000"],"Labels":{"of":"at-once"},"HostConfig":{"NetworkMode":"none"}}`)
		c.want(t, 204, "POST", "/containers/"+id+"/start", "")
		var all sync.WaitGroup
		for _, ask := range []string{
			"POST /containers/" + id + "/wait", "POST /containers/" + id + "/kill", "POST /containers/" + id + "/stop?t=0",
			"GET /containers/json?all=1", "GET /containers/" + id + "/json", "GET /containers/" + id + "/logs?stdout=1&follow=1",
			"GET /containers/" + id + "/stats?stream=0", "POST /containers/" + id + "/kill?signal=KILL", "DELETE /containers/" + id + "?force=1",
			"DELETE /containers/" + id + "?force=1&v=1", "POST /containers/prune?filters=" + url.QueryEscape(`{"label":["of=at-once"]}`), "GET /containers/json?all=1&size=1",
		} {
			method, path, _ := strings.Cut(ask, " ")
			all.Go(func() {
				if res, text := c.ask(t, method, path, ""); res.StatusCode >= 500 {
					t.Errorf("%s is %d %s", ask, res.StatusCode, text)
				}
			})
		}
		all.Wait()
		c.want(t, 404, "GET", "/containers/"+id+"/json", "")
	}
}

func labelsOfNetworks(t *testing.T, c *client) {
	var made struct {
		ID string `json:"Id"`
	}
	body := `{"Name":"of-report","Labels":{"com.docker.compose.network":"default","job":"bfc0db"}}`
	if err := json.Unmarshal([]byte(c.want(t, 201, "POST", "/networks/create", body)), &made); err != nil {
		t.Fatal(err)
	}
	has(t, c.want(t, 200, "GET", "/networks/of-report", ""), `"com.docker.compose.network":"default"`, `"Id":"`+made.ID+`"`)
	has(t, c.want(t, 200, "GET", "/networks?filters="+url.QueryEscape(`{"label":["job=bfc0db"]}`), ""), `"com.docker.compose.network":"default"`)
	has(t, c.want(t, 200, "POST", "/networks/prune?filters="+url.QueryEscape(`{"label":["job=bfc0db"]}`), ""), `"NetworksDeleted":\["of-report"\]`)
}

func namelessVolumes(t *testing.T, c *client) {
	var made struct{ Name, Driver, Scope string }
	if err := json.Unmarshal([]byte(c.want(t, 201, "POST", "/volumes/create", `{"Driver":"local"}`)), &made); err != nil || len(made.Name) != 64 ||
		made.Driver != "local" || made.Scope != "local" {
		t.Errorf("%v %+v", err, made)
	}
	c.want(t, 204, "DELETE", "/volumes/"+made.Name, "")
}

func remoteContext(t *testing.T, c *client) {
	res, text := c.ask(t, "POST", "/build?remote="+url.QueryEscape("http://127.0.0.1:1/nothing.git"), "")
	if !strings.Contains(text, "127.0.0.1:1") || res.StatusCode == 200 && !strings.Contains(text, `"errorDetail"`) {
		t.Errorf("%d %s", res.StatusCode, text)
	}
}

// TestMadeAgain makes containers again of what inspect says of them, as programs do that
// exchange their images, and wants the same: watchtower 188, 1906, its forks' 160, 176, 1337
// and 1563.
func TestMadeAgain(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	c.want(t, 201, "POST", "/networks/create", `{"Name":"again","IPAM":{"Config":[{"Subnet":"10.63.77.0/24"}]}}`)
	other := c.started(t, `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none"}}`)
	for name, body := range map[string]string{
		"bridge":  `{"Image":"box","Cmd":["sleep","1000"],"Hostname":"floccus","Env":["TZ=x"],"HostConfig":{"LogConfig":{"Type":"json-file","Config":{"max-size":"1m"}}}}`,
		"host":    `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"host"}}`,
		"none":    `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none"}}`,
		"another": `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"container:` + other + `"}}`,
		"uts":     `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none","UTSMode":"host"}}`,
		"named": `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"again","PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"29377"}]},
			"RestartPolicy":{"Name":"unless-stopped"},"Binds":["kept:/v"]},
			"NetworkingConfig":{"EndpointsConfig":{"again":{"Aliases":["web"],"IPAMConfig":{"IPv4Address":"10.63.77.9"}}}}}`,
		"limits": `{"Image":"box","Cmd":["sleep","1000"],"Healthcheck":{"Test":["CMD","true"],"Interval":1000000000},"HostConfig":{"NetworkMode":"none","Memory":67108864,
			"NanoCpus":500000000,"CapAdd":["NET_ADMIN"],"SecurityOpt":["no-new-privileges"],"Tmpfs":{"/t":"size=1m"},"ShmSize":1048576,"Ulimits":[{"Name":"nofile","Soft":10,"Hard":20}]}}`,
	} {
		t.Run(name, func(t *testing.T) { c.madeAgain(t, body) })
	}
}

// madeAgain makes one again, and compares what inspect says that was asked for.
func (c *client) madeAgain(t *testing.T, body string) {
	t.Helper()
	type told struct {
		Config, HostConfig map[string]any
		NetworkSettings    struct{ Networks map[string]map[string]any }
		Mounts             []map[string]any
	}
	look := func(id string) (v told) {
		if err := json.Unmarshal([]byte(c.want(t, 200, "GET", "/containers/"+id+"/json", "")), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	first := c.create(t, body)
	c.want(t, 204, "POST", "/containers/"+first+"/start", "")
	v := look(first)
	c.want(t, 204, "POST", "/containers/"+first+"/stop?t=0", "")
	again := map[string]any{}
	for key, value := range v.Config {
		again[key] = value
	}
	mode, _ := v.HostConfig["NetworkMode"].(string)
	uts, _ := v.HostConfig["UTSMode"].(string)
	if strings.HasPrefix(mode, "container:") || uts == "host" {
		delete(again, "Hostname") // which clients know to leave out
	}
	again["HostConfig"] = v.HostConfig
	ends := map[string]any{}
	for name, end := range v.NetworkSettings.Networks {
		ends[name] = end
	}
	again["NetworkingConfig"] = map[string]any{"EndpointsConfig": ends}
	text, err := json.Marshal(again)
	if err != nil {
		t.Fatal(err)
	}
	c.want(t, 204, "DELETE", "/containers/"+first, "")
	second := c.started(t, string(text))
	w := look(second)
	for what, pair := range map[string][2]any{
		"Config": {v.Config, w.Config}, "HostConfig": {v.HostConfig, w.HostConfig}, "Mounts": {v.Mounts, w.Mounts},
	} {
		a, aerr := json.Marshal(pair[0])
		b, berr := json.Marshal(pair[1])
		// Without a name of its own it has its new id's.
		if aerr != nil || berr != nil || string(a) != strings.ReplaceAll(string(b), second[:12], first[:12]) {
			t.Errorf("%s was\n%s\nand is\n%s", what, a, b)
		}
	}
	for name, end := range v.NetworkSettings.Networks {
		now := w.NetworkSettings.Networks[name]
		if now == nil || fmt.Sprint(end["IPAMConfig"]) != fmt.Sprint(now["IPAMConfig"]) {
			t.Errorf("%s was %v and is %v", name, end, now)
		}
	}
}
