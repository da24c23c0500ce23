package build

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/engine"
	"cove/engine/api/buildkit"
	"cove/engine/api/route"
	"cove/engine/builds/changes"
	"cove/errdefs"
)

func newServer(t *testing.T) (*httptest.Server, *engine.Engine) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: images are built")
	}
	e, err := engine.Open(engine.Config{Root: t.TempDir(), Changes: changes.Read})
	if err != nil {
		t.Fatal(err)
	}
	access, err := route.ParseAccess(nil)
	if err != nil {
		t.Fatal(err)
	}
	kit := buildkit.New(buildkit.Config{Engine: e})
	srv := httptest.NewServer(route.NewMux(append(Of(e, kit).Routes(), kit.Routes()...), "1", access))
	t.Cleanup(srv.Close)
	return srv, e
}

// archive is a context of these files.
func archive(t *testing.T, files map[string]string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// post asks, and returns the streams, the id, and the error of the answer.
func post(t *testing.T, url string, body io.Reader) (stream, id, failure string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		return "", "", res.Status + " " + string(text)
	}
	for dec := json.NewDecoder(res.Body); ; {
		var l struct {
			Stream, Error string
			Aux           struct{ ID string }
		}
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			return stream, id, failure
		} else if err != nil {
			t.Fatal(err)
		}
		stream, failure = stream+l.Stream, failure+l.Error
		if l.Aux.ID != "" {
			id = l.Aux.ID
		}
	}
}

// TestClassicBuild: docker's words, its id and names; the second time the cache's.
func TestClassicBuild(t *testing.T) {
	t.Parallel()
	srv, e := newServer(t)
	files := map[string]string{
		"Other": "FROM scratch\nARG A\nCOPY a /\nLABEL said=$A\nCOPY b /\n", "a": "1", "b": "2", ".dockerignore": "c\n", "c": "3",
	}
	q := url.Values{
		"t": {"app:v1", "app:v2"}, "dockerfile": {"Other"}, "buildargs": {`{"A":"x","FROM_HERE":null}`}, "labels": {`{"l":"1"}`},
		"rm": {"1"}, "cgroupparent": {""}, "memory": {"0"}, "ulimits": {"null"}, "version": {"1"}, "networkmode": {"default"},
	}
	for i, how := range []string{" ---> ", " ---> Using cache\n"} {
		stream, id, failure := post(t, srv.URL+"/v1.41/build?"+q.Encode(), archive(t, files))
		if failure != "" {
			t.Fatal(failure)
		}
		for _, want := range []string{
			"Step 1/2 : COPY a /\n" + how, "Step 2/2 : COPY b /\n" + how,
			"Successfully built " + strings.TrimPrefix(id, "sha256:")[:12] + "\nSuccessfully tagged app:v1\nSuccessfully tagged app:v2\n",
		} {
			if !strings.Contains(stream, want) {
				t.Errorf("build %d: no %q in %q", i, want, stream)
			}
		}
	}
	if stream, _, failure := post(t, srv.URL+"/build", archive(t, map[string]string{"Dockerfile": "FROM app:v1\nCOPY Dockerfile /"})); failure != "" ||
		!strings.HasPrefix(stream, "Step 1/2 : FROM app:v1\n ---> ") || strings.Contains(stream, "Using cache") {
		t.Errorf("a base that is here is no step of the cache: %q %s", stream, failure)
	}
	told, err := e.Events(engine.EventOptions{Since: time.Unix(1, 0), Until: time.Now(), Filter: map[string][]string{"type": {"image"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	actions := map[string]int{}
	for {
		event, err := told.Next(t.Context())
		if err != nil {
			break
		}
		actions[event.Action]++
	}
	if actions["create"] != 3 || actions["tag"] != 4 {
		t.Errorf("three builds and four names are told as %v", actions)
	}
	image, err := e.InspectImage(t.Context(), "app:v2")
	if err != nil || image.Config.Labels["said"] != "x" || image.Config.Labels["l"] != "1" {
		t.Errorf("%+v %v", image, err)
	}
	q.Set("q", "1")
	if stream, _, failure := post(t, srv.URL+"/build?"+q.Encode(), archive(t, files)); failure != "" || !strings.HasPrefix(stream, "sha256:") || strings.Count(stream, "\n") != 1 {
		t.Errorf("quiet: %q %s", stream, failure)
	}
	if stream, _, failure := post(t, srv.URL+"/build/prune", nil); failure != "" || stream != "" {
		t.Errorf("pruning: %s", failure)
	}
	if all, err := e.BuildCache(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("after pruning: %v %v", all, err)
	}
}

func TestClassicFailures(t *testing.T) {
	t.Parallel()
	srv, _ := newServer(t)
	good := map[string]string{"Dockerfile": "FROM scratch\nCOPY a /\n", "a": "1"}
	for query, tc := range map[string]struct {
		files map[string]string
		want  string
	}{
		"nonsense=1":                      {good, `400 Bad Request {"message":"the parameter \"nonsense\" of a build is not known"}`},
		"isolation=hyperv":                {good, "isolation=hyperv"},
		"memory=1g":                       {good, "want a number"},
		"session=x":                       {good, "of builds of version 2"},
		"version=2":                       {good, "needs a session"},
		"buildargs=x":                     {good, "400"},
		"dockerfile=Nope":                 {good, "Nope"},
		"t=Bad:Name:":                     {good, "Bad"},
		"t=fails":                         {map[string]string{"Dockerfile": "FROM scratch\nCOPY nothing /\n"}, "nothing"},
		"t=climbs":                        {map[string]string{"Dockerfile": "FROM scratch\nCOPY . /\n", "../../victim": "x"}, "victim"},
		"remote=http://127.0.0.1:1/x.tar": {good, "127.0.0.1:1"},
	} {
		if _, _, failure := post(t, srv.URL+"/build?"+query, archive(t, tc.files)); !strings.Contains(failure, tc.want) {
			t.Errorf("%s: %q, want %q", query, failure, tc.want)
		}
	}
	if _, _, failure := post(t, srv.URL+"/build/cancel", nil); !strings.Contains(failure, "build ID not provided") {
		t.Errorf("cancel: %s", failure)
	}
	if _, _, failure := post(t, srv.URL+"/build/cancel?id=none", nil); failure != "" {
		t.Errorf("canceling what does not run: %s", failure)
	}
}

// TestCancel: a build ends when its client, or another that knows its id, wants that.
func TestCancel(t *testing.T) {
	t.Parallel()
	b := Of(nil, nil)
	ctx, done, err := b.begin(t.Context(), "id")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.begin(t.Context(), "id"); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("one id twice: %v", err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/build/cancel?id=id", nil)
	if err := b.cancel(httptest.NewRecorder(), &route.Request{Request: r}); err != nil || ctx.Err() == nil {
		t.Errorf("%v, the build has %v", err, ctx.Err())
	}
	done()
	if len(b.running) != 0 {
		t.Error("a build that ended is still known")
	}
}

func TestSignIns(t *testing.T) {
	t.Parallel()
	// {"https://index.docker.io/v1/":{"auth":"dTpw"},"reg:5000":{"username":"a","password":"b"}}
	keys, err := signIns("eyJodHRwczovL2luZGV4LmRvY2tlci5pby92MS8iOnsiYXV0aCI6ImRUcHcifSwicmVnOjUwMDAiOnsidXNlcm5hbWUiOiJhIiwicGFzc3dvcmQiOiJiIn19")
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]engine.Credentials{
		"docker.io": {Username: "u", Password: "p"}, "reg:5000": {Username: "a", Password: "b"}, "other": {},
	} {
		if got, err := keys.Credentials(t.Context(), host); err != nil || got != want {
			t.Errorf("%s: %+v %v", host, got, err)
		}
	}
	if _, err := signIns("{}"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("what is no base64: %v", err)
	}
}
