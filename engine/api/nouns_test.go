package api_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"cove/distribution/distributiontest"
	"cove/engine/api"
)

// TestRefusals are answers to what is not served, which clients take as such.
func TestRefusals(t *testing.T) {
	t.Parallel()
	c := serve(t, fresh(t))
	for _, r := range api.Table(t.Context(), fresh(t), nil) {
		if r.Test != "TestRefusals" {
			continue
		}
		path := strings.NewReplacer("{id}", "x", "{name...}", "x", "{name}", "x").Replace(r.Path)
		res, text := c.ask(t, r.Method, path, "")
		var told struct{ Message string }
		err := json.Unmarshal([]byte(text), &told)
		if err != nil || told.Message == "" || res.StatusCode < 400 {
			t.Errorf("%s %s is %d %s", r.Method, path, res.StatusCode, text)
		}
		if strings.HasPrefix(path, "/swarm") && (res.StatusCode != http.StatusServiceUnavailable ||
			!strings.HasPrefix(told.Message, "This node is not a swarm manager")) {
			t.Errorf("%s %s is %d %s", r.Method, path, res.StatusCode, text)
		}
	}
	if text := c.want(t, 200, "GET", "/plugins", ""); strings.TrimSpace(text) != "[]" {
		t.Errorf("plugins are %s", text)
	}
}

// TestTableIsWhole holds every row to what the documentation is made of.
func TestTableIsWhole(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range api.Table(t.Context(), fresh(t), nil) {
		key := r.Method + " " + r.Path
		if seen[key] || r.Handler == nil || r.Test == "" || !strings.HasPrefix(r.Path, "/") {
			t.Errorf("%s is there twice, or says no handler or no test", key)
		}
		seen[key] = true
	}
}

func TestNetworksAndVolumes(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	for _, name := range []string{`"Name":"bridge"`, `"Name":"host"`, `"Name":"none"`} {
		if text := c.want(t, 200, "GET", "/networks", ""); !strings.Contains(text, name) {
			t.Errorf("networks lack %s: %s", name, text)
		}
	}
	body := `{"Name":"app","Labels":{"a":"b"},"IPAM":{"Driver":"default","Config":[{"Subnet":"10.251.7.0/24"}]}}`
	c.want(t, http.StatusCreated, "POST", "/networks/create", body)
	c.want(t, http.StatusConflict, "POST", "/networks/create", body)
	text := c.want(t, 200, "GET", `/networks?filters={"label":{"a=b":true}}`, "")
	if !strings.Contains(text, `"Name":"app"`) || !strings.Contains(text, `"Labels":{"a":"b"}`) || !strings.Contains(text, `"Containers":{}`) {
		t.Errorf("the network is %s", text)
	}
	id := c.create(t, `{"Image":"box","Cmd":["sleep","100"],"HostConfig":{"NetworkMode":"app","Binds":["data:/data"]},"Volumes":{"/anonymous":{}}}`)
	c.want(t, http.StatusConflict, "DELETE", "/volumes/data", "")
	c.want(t, 200, "POST", "/networks/bridge/connect", `{"Container":"`+id+`","EndpointConfig":{}}`)
	text = c.want(t, 200, "GET", "/containers/"+id+"/json", "")
	if !strings.Contains(text, `"bridge":{"IPAMConfig"`) || !strings.Contains(text, `"app":{"IPAMConfig"`) {
		t.Errorf("the container's networks: %s", text)
	}
	c.want(t, 200, "POST", "/networks/bridge/disconnect", `{"Container":"`+id+`"}`)
	c.want(t, 200, "POST", "/networks/bridge/disconnect", `{"Container":"nobody","Force":true}`)
	c.want(t, http.StatusNotFound, "POST", "/networks/bridge/disconnect", `{"Container":"nobody"}`)
	c.want(t, http.StatusNoContent, "DELETE", "/containers/"+id+"?v=1", "")
	for bad, status := range map[string]int{
		`{"Name":"v6","EnableIPv4":false}`: 501, `{"Name":"x","Ingress":true}`: 501, `{"Name":""}`: 400, `{"Name":"d","Driver":"overlay"}`: 0,
	} {
		res, text := c.ask(t, "POST", "/networks/create", bad)
		if res.StatusCode < 400 || status != 0 && res.StatusCode != status {
			t.Errorf("%s is %d %s", bad, res.StatusCode, text)
		}
	}
	c.want(t, http.StatusNoContent, "DELETE", "/networks/app", "")
	c.want(t, http.StatusNotFound, "GET", "/networks/app", "")
	if text := c.want(t, 200, "GET", "/volumes", ""); !strings.Contains(text, `"Name":"data"`) || !strings.Contains(text, `"Warnings":[]`) {
		t.Errorf("volumes are %s", text)
	}
	c.want(t, http.StatusCreated, "POST", "/volumes/create", `{"Name":"second","Labels":{"a":"b"}}`)
	c.want(t, http.StatusBadRequest, "POST", "/volumes/create", `{"Name":"third","DriverOpts":{"type":"nfs"}}`)
	c.want(t, http.StatusNotImplemented, "POST", "/volumes/create", `{"Name":"third","ClusterVolumeSpec":{}}`)
	c.want(t, http.StatusCreated, "POST", "/volumes/create", `{"Name":"small","DriverOpts":{"type":"tmpfs","device":"tmpfs"}}`)
	c.want(t, http.StatusNotFound, "POST", "/volumes/create", `{"Name":"third","Driver":"nfs"}`)
	c.want(t, http.StatusNotImplemented, "PUT", "/volumes/second", "{}")
	c.want(t, http.StatusNoContent, "DELETE", "/volumes/second", "")
	c.want(t, http.StatusNotFound, "DELETE", "/volumes/second", "")
	c.want(t, http.StatusNoContent, "DELETE", "/volumes/second?force=1", "")
	if text := c.want(t, 200, "POST", "/volumes/prune?filters="+`{"all":["1"]}`, ""); !strings.Contains(text, `"data"`) {
		t.Errorf("prune removed %s", text)
	}
}

// TestImagesOfAPlatform asks for one image of several, in both forms of a platform.
func TestImagesOfAPlatform(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	var img struct{ Os, Architecture string }
	if err := json.Unmarshal([]byte(c.want(t, 200, "GET", "/images/box/json", "")), &img); err != nil {
		t.Fatal(err)
	}
	mine := img.Os + "/" + img.Architecture
	for _, platform := range []string{mine, `{"os":"` + img.Os + `","architecture":"` + img.Architecture + `"}`} {
		for _, path := range []string{"/images/box/json", "/images/box/history", "/images/box/get"} {
			c.want(t, 200, "GET", path+"?platform="+url.QueryEscape(platform), "")
		}
	}
	const other = "?platform=" + "linux%2Fs390x"
	for _, path := range []string{"/images/box/json", "/images/box/history"} {
		if text := c.want(t, 404, "GET", path+other, ""); !strings.Contains(text, "is for "+mine+" here, not for linux/s390x") {
			t.Errorf("%s: %s", path, text)
		}
		c.want(t, 400, "GET", path+"?platform=%7B", "")
		c.want(t, 400, "GET", path+"?platform=foo", "")
	}
	archive := c.want(t, 200, "GET", "/images/box/get?platform="+url.QueryEscape(mine), "")
	if text := c.want(t, 404, "POST", "/images/load"+other, archive); !strings.Contains(text, "not for linux/s390x") {
		t.Errorf("loaded: %s", text)
	}
	if text := c.want(t, 200, "POST", "/images/load", archive); !strings.Contains(text, "Loaded image: box:latest") {
		t.Errorf("not loaded: %s", text)
	}
}

func TestImages(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	var rows []struct {
		ID                      string `json:"Id"`
		RepoTags                []string
		Containers, VirtualSize int64
		Labels                  map[string]string
	}
	c.want(t, http.StatusCreated, "POST", "/images/box/tag?repo=other&tag=2", "")
	if err := json.Unmarshal([]byte(c.want(t, 200, "GET", "/v1.43/images/json", "")), &rows); err != nil || len(rows) != 1 ||
		len(rows[0].RepoTags) != 2 || rows[0].VirtualSize == 0 || rows[0].Containers != -1 || rows[0].Labels == nil {
		t.Errorf("%v %+v", err, rows)
	}
	if text := c.want(t, 200, "GET", "/images/json", ""); strings.Contains(text, "VirtualSize") {
		t.Errorf("1.44 has no VirtualSize: %s", text)
	}
	c.want(t, 200, "GET", "/images/box/json", "")
	c.want(t, 200, "GET", "/images/box:latest/history", "")
	for _, path := range []string{"/images/nothing/json", "/images/a.example/b/c:1/history"} {
		if text := c.want(t, 404, "GET", path, ""); !strings.Contains(text, "No such image: ") {
			t.Errorf("%s is %s", path, text)
		}
	}
	archive := c.want(t, 200, "GET", "/images/get?names=box&names=other:2", "")
	if other := c.want(t, 200, "GET", "/images/box/get", ""); len(other) == 0 {
		t.Error("an archive of one image is empty")
	}
	if text := c.want(t, 200, "DELETE", "/images/other:2", ""); !strings.Contains(text, `{"Untagged":"other:2"}`) {
		t.Errorf("removed %s", text)
	}
	if text := c.want(t, 200, "POST", "/images/load?quiet=1", archive); !strings.Contains(text, `{"stream":"Loaded image: other:2\n"}`) {
		t.Errorf("loaded %s", text)
	}
	c.want(t, 400, "POST", "/images/create", "")
	if text := c.want(t, 200, "POST", "/images/create?fromSrc=-&repo=made&tag=1", archive); !strings.Contains(text, `{"status":"sha256:`) {
		t.Errorf("imported %s", text)
	}
	id := c.create(t, `{"Image":"box","Cmd":["true"],"HostConfig":{"NetworkMode":"none"}}`)
	c.want(t, http.StatusConflict, "DELETE", "/images/"+rows[0].ID, "")
	c.want(t, http.StatusCreated, "POST", "/commit?container="+id+"&repo=kept&tag=1&comment=x", "{}")
	c.want(t, 200, "GET", "/images/kept:1/json", "")
	for _, key := range []string{`"LayersSize":`, `"Images":[{`, `"Containers":[{`, `"Volumes":[`, `"BuildCache":[`} {
		if text := c.want(t, 200, "GET", "/system/df", ""); !strings.Contains(text, key) {
			t.Errorf("usage lacks %s: %s", key, text)
		}
	}
	c.want(t, 200, "POST", "/containers/prune", "")
	c.want(t, 200, "POST", `/images/prune?filters={"dangling":{"false":true}}`, "")
	if text := c.want(t, 200, "GET", "/images/json", ""); strings.TrimSpace(text) != "[]" {
		t.Errorf("prune left %s", text)
	}
}

// TestTransfers pushes to a registry, asks it, and pulls again.
func TestTransfers(t *testing.T) {
	t.Parallel()
	e := withBox(t)
	c := serve(t, e)
	host := distributiontest.Serve(t, t.Context(), distributiontest.NewMemory(distributiontest.Store(t)))
	name := host + "/team/box"
	c.want(t, http.StatusCreated, "POST", "/images/box/tag?repo="+name+"&tag=1", "")
	text := c.want(t, 200, "POST", "/images/"+name+"/push?tag=1", "")
	if !strings.Contains(text, `"aux":{"Digest":"sha256:`) || !strings.Contains(text, `"Tag":"1"`) || !strings.Contains(text, "Pushed") {
		t.Errorf("push tells %s", text)
	}
	if text := c.want(t, 200, "GET", "/distribution/"+name+":1/json", ""); !strings.Contains(text, `"os":"linux"`) || !strings.Contains(text, `"Descriptor":{"mediaType"`) {
		t.Errorf("the registry has %s", text)
	}
	c.want(t, 200, "DELETE", "/images/"+name+":1?force=1", "")
	text = c.want(t, 200, "POST", "/images/create?fromImage="+name+"&tag=1", "")
	if !strings.Contains(text, `{"status":"Digest: sha256:`) || !strings.Contains(text, "Status: Downloaded newer image for "+name+":1") {
		t.Errorf("pull tells %s", text)
	}
	if text = c.want(t, http.StatusNotFound, "POST", "/images/create?fromImage="+name+"&tag=nothing", ""); !strings.Contains(text, `{"message":`) {
		t.Errorf("a pull of what is not there tells %s", text)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, `http://d/events?filters={"type":["container"],"event":["create"]}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req) // the headers come before anything has happened
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	id := c.create(t, `{"Image":"box","Cmd":["true"],"Labels":{"a":"b"},"HostConfig":{"NetworkMode":"none"}}`)
	var e struct {
		Status, ID, From string
		Type, Action     string
		Actor            struct {
			ID         string
			Attributes map[string]string
		}
		TimeNano int64
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&e); err != nil || e.Status != "create" || e.Action != "create" ||
		e.ID != id || e.Actor.ID != id || e.Type != "container" || e.Actor.Attributes["a"] != "b" || e.TimeNano == 0 {
		t.Errorf("%v %+v", err, e)
	}
	if text := c.want(t, 200, "GET", "/events?since=0&until="+"1", ""); text != "" {
		t.Errorf("what happened in 1970: %s", text)
	}
	c.want(t, 400, "GET", "/events?since=soon", "")
}

func TestNarrowAccess(t *testing.T) {
	t.Parallel()
	e := withBox(t)
	whole := serve(t, e)
	mine := whole.create(t, `{"Image":"box","Cmd":["sleep","100"],"Labels":{"team":"a"},"HostConfig":{"NetworkMode":"none"}}`)
	other := whole.create(t, `{"Image":"box","Cmd":["sleep","100"],"Labels":{"team":"b"},"HostConfig":{"NetworkMode":"none"}}`)
	c := serve(t, e, "label=team=a")
	c.want(t, 204, "POST", "/containers/"+mine+"/start", "")
	if text := c.want(t, 403, "POST", "/containers/"+other+"/start", ""); !strings.Contains(text, `\"all\"`) {
		t.Errorf("the refusal does not say what was missing: %s", text)
	}
	if text := c.want(t, 200, "GET", "/containers/json?all=1", ""); !strings.Contains(text, mine) || strings.Contains(text, other) {
		t.Errorf("it sees %s", text)
	}
	c.want(t, 403, "POST", "/containers/create", `{"Image":"box","Labels":{"team":"a"}}`)
	c.want(t, 403, "POST", "/containers/"+mine+"/exec", `{"Cmd":["true"],"Privileged":true}`)
	c.want(t, 201, "POST", "/containers/"+mine+"/exec", `{"Cmd":["true"]}`)
	c.want(t, 403, "GET", "/images/json", "")
}

// TestImportFromElsewhere fetches what is imported.
func TestImportFromElsewhere(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	archive := c.want(t, 200, "GET", "/images/box/get", "")
	from := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/x.tar" {
			http.NotFound(w, r)
		}
		_, _ = io.WriteString(w, archive)
	}))
	t.Cleanup(from.Close)
	c.want(t, 400, "POST", "/images/create?fromSrc=ftp://example.org/x.tar", "")
	if text := c.want(t, 500, "POST", "/images/create?fromSrc="+from.URL+"/none", ""); !strings.Contains(text, "404") {
		t.Errorf("%s", text)
	}
	text := c.want(t, 200, "POST", "/images/create?fromSrc="+strings.TrimPrefix(from.URL, "http://")+"/x.tar&repo=theirs", "")
	if !strings.Contains(text, "Downloading from "+from.URL) || !strings.Contains(text, `{"status":"sha256:`) {
		t.Errorf("%s", text)
	}
	if text := c.want(t, 200, "GET", "/images/theirs/json", ""); !strings.Contains(text, "Imported from "+from.URL) {
		t.Errorf("%s", text)
	}
}
