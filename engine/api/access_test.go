package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"cove/engine/api"
	"cove/engine/api/route"
)

var inPath = regexp.MustCompile(`\{[^}]*\}`)

// allowed asks every route of a socket, without what it would do, and tells which are
// answered; denied ones must say what was missing.
func allowed(t *testing.T, table []route.Route, in string, allow ...string) map[string]bool {
	t.Helper()
	access, err := route.ParseAccess(allow)
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]bool{}
	for _, r := range table {
		r.Handler = func(w http.ResponseWriter, _ *route.Request) error {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		m := route.NewMux([]route.Route{r}, "1", access)
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), r.Method, inPath.ReplaceAllString(r.Path, in), http.NoBody))
		name := r.Method + " " + r.Path
		switch w.Code {
		case http.StatusNoContent:
			answers[name] = true
		case http.StatusForbidden:
			if !strings.Contains(w.Body.String(), `needs the permission \"`+string(r.Needs)+`\"`) {
				t.Errorf("%s: %s is refused with %s", allow, name, w.Body)
			}
		case http.StatusNotFound: // an exec that is not there
		default:
			t.Errorf("%s: %s is %d %s", allow, name, w.Code, w.Body)
		}
	}
	return answers
}

// TestEveryRouteByPermission asks every route with every permission: it is answered by
// the one that it needs, and by all, and by no other.
func TestEveryRouteByPermission(t *testing.T) {
	t.Parallel()
	e := withBox(t)
	c := serve(t, e)
	id := c.create(t, `{"Image":"box","Cmd":["true"],"Labels":{"team":"b"},"HostConfig":{"NetworkMode":"none"}}`)
	table := api.Table(t.Context(), e, nil)
	for _, p := range route.Permissions() {
		answers := allowed(t, table, id, string(p))
		for _, r := range table {
			want := r.Needs == route.Ping || r.Needs == p || p == route.All
			if name := r.Method + " " + r.Path; answers[name] != want {
				t.Errorf("%s: %s is answered: %v, want %v", p, name, answers[name], want)
			}
		}
	}
}

// TestEveryRouteByLabel asks every route of a socket for one label about a container
// that has it, and about another.
func TestEveryRouteByLabel(t *testing.T) {
	t.Parallel()
	e := withBox(t)
	c := serve(t, e)
	const body = `{"Image":"box","Cmd":["true"],"Labels":{"team":"TEAM"},"HostConfig":{"NetworkMode":"none"}}`
	mine := c.create(t, strings.Replace(body, "TEAM", "a", 1))
	other := c.create(t, strings.Replace(body, "TEAM", "b", 1))
	c.want(t, http.StatusNoContent, "POST", "/containers/"+mine+"/rename?name=mine", "")
	c.want(t, http.StatusNoContent, "POST", "/containers/"+other+"/rename?name=other", "")
	table := api.Table(t.Context(), e, nil)
	for _, about := range []string{mine, "mine", mine[:12], other, "other", other[:12]} {
		answers := allowed(t, table, about, "label=team=a")
		for _, r := range table {
			ours := about == mine || about == "mine" || about == mine[:12]
			want := r.Needs == route.Ping || r.Narrow || ours && strings.HasPrefix(r.Path, "/containers/{id}")
			if name := r.Method + " " + r.Path; answers[name] != want {
				t.Errorf("about %s: %s is answered: %v, want %v", about, name, answers[name], want)
			}
		}
	}
}

// TestLabelIsOfOne: what a name stood for when its label was looked at is what is acted
// on, whatever the name stands for a moment later.
func TestLabelIsOfOne(t *testing.T) {
	t.Parallel()
	e := withBox(t)
	c := serve(t, e)
	id := c.create(t, `{"Image":"box","Cmd":["true"],"Labels":{"team":"a"},"HostConfig":{"NetworkMode":"none"}}`)
	c.want(t, http.StatusNoContent, "POST", "/containers/"+id+"/rename?name=mine", "")
	access, err := route.ParseAccess([]string{"label=team=a"})
	if err != nil {
		t.Fatal(err)
	}
	table, asked := api.Table(t.Context(), e, access), 0
	for _, r := range table {
		if !strings.HasPrefix(r.Path, "/containers/{id}") || r.Labels == nil {
			continue
		}
		r.Handler = func(w http.ResponseWriter, req *route.Request) error {
			if asked++; req.Param("id") != id {
				t.Errorf("%s %s acts on %q, want the whole id", r.Method, r.Path, req.Param("id"))
			}
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		path := strings.Replace(r.Path, "{id}", "mine", 1)
		w := httptest.NewRecorder()
		route.NewMux([]route.Route{r}, "1", access).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), r.Method, path, nil))
	}
	if asked < 20 {
		t.Errorf("%d routes are about a container", asked)
	}
}

// TestStrangers try to reach, over sockets that may do little, what is not theirs.
func TestStrangers(t *testing.T) {
	t.Parallel()
	e := withBox(t)
	c := serve(t, e)
	const body = `{"Image":"box","Cmd":["sleep","1000"],"Labels":{"team":"TEAM"},"HostConfig":{"NetworkMode":"none"}}`
	mine := c.create(t, strings.Replace(body, "TEAM", "a", 1))
	other := c.create(t, strings.Replace(body, "TEAM", "b", 1))
	c.want(t, http.StatusNoContent, "POST", "/containers/"+mine+"/start", "")
	c.want(t, http.StatusCreated, "POST", "/networks/create", `{"Name":"theirs"}`)
	defer c.want(t, http.StatusNoContent, "DELETE", "/networks/theirs", "")
	const create = "/containers/create?name=x"
	for _, tc := range []struct {
		allow, method, path, body string
		status                    int
	}{
		// Only what was made with the label has it: nobody makes it, or takes it by a name.
		{"label=team=a", "POST", create, `{"Image":"box","Labels":{"team":"a"}}`, 403},
		{"label=team=a", "POST", create, `{"Image":"box","Labels":{"team":"a"},"HostConfig":{"VolumesFrom":["` + other + `"]}}`, 403},
		{"label=team=a", "POST", create, `{"Image":"box","Labels":{"team":"a"},"HostConfig":{"PidMode":"container:` + other + `"}}`, 403},
		{"label=team=a", "POST", "/containers/" + mine + "/rename?name=" + other[:12], "", 204},
		{"label=team=a", "GET", "/containers/" + other[:12] + "/json", "", 200}, // is mine now, by its name
		{"label=team=a", "GET", "/containers/" + other + "/json", "", 403},
		{"label=team=a", "GET", "/containers/" + other[:13] + "/json", "", 403},
		{"label=team=a", "DELETE", "/containers/" + other + "?force=1", "", 403},
		{"label=team=a", "POST", "/containers/" + mine + "/rename?name=mine", "", 204},
		// Execs are of their container, and no more than it is.
		{"label=team=a", "POST", "/containers/" + mine + "/exec", `{"Cmd":["true"],"Privileged":true}`, 403},
		{"label=team=a", "POST", "/containers/" + mine + "/exec", `{"Cmd":["true"]}`, 201},
		{"label=team=a", "POST", "/containers/" + other + "/exec", `{"Cmd":["true"]}`, 403},
		// What is of several is nobody's who has one label.
		{"label=team=a", "POST", "/networks/theirs/connect", `{"Container":"` + mine + `"}`, 403},
		{"label=team=a", "POST", "/networks/create", `{"Name":"n","Labels":{"team":"a"}}`, 403},
		{"label=team=a", "POST", "/volumes/create", `{"Name":"v","Labels":{"team":"a"}}`, 403},
		{"label=team=a", "POST", "/containers/prune", "", 403},
		{"label=team=a", "GET", "/containers/" + other + "/archive?path=/", "", 403},
		{"label=team=a", "PUT", "/containers/" + other + "/archive?path=/", "", 403},
		{"label=team=a", "GET", "/images/get?names=box", "", 403},
		{"label=team=a", "GET", "/events?until=1", "", 403},
		// An image has the files of its container.
		{"label=team=a", "POST", "/commit?container=" + mine, "{}", 403},
		{"images", "POST", "/commit?container=" + mine, "{}", 403},
		{"images,label=team=a", "POST", "/commit?container=" + other, "{}", 403},
		{"images,label=team=a", "POST", "/commit?container=" + mine, "{}", 201},
		{"images,read", "POST", "/commit?container=" + other, "{}", 201},
		{"images", "POST", "/images/create?fromSrc=" + url.QueryEscape("file:///etc/hostname"), "", 400},
		{"images", "POST", "/images/create?fromSrc=" + url.QueryEscape("/etc/hostname"), "", 400},
		// A build reads what its client sends, and runs in containers like all others.
		{"build", "POST", "/build?remote=/etc", "", 400},
		{"build", "POST", "/build?remote=../..", "", 400},
		{"build", "POST", "/build?remote=file:///etc", "", 400},
		{"all", "POST", "/build?remote=/etc", "", 400},
		{"build", "POST", "/build?networkmode=host", "", 403},
		{"build", "POST", "/build?networkmode=container:" + other, "", 403},
		{"build", "POST", "/build?cgroupparent=/", "", 403},
		{"build", "POST", "/build?version=2&session=x&networkmode=host", "", 403},
		{"build", "POST", create, `{"Image":"box"}`, 403},
		{"read", "POST", "/containers/" + mine + "/kill", "", 403},
		{"read,events,images,build", "POST", create, `{"Image":"box"}`, 403},
	} {
		text := serve(t, e, tc.allow).want(t, tc.status, tc.method, tc.path, tc.body)
		if tc.status == http.StatusForbidden && !strings.Contains(text, "permission denied: ") {
			t.Errorf("%s: %s %s says %s", tc.allow, tc.method, tc.path, text)
		}
	}
	for _, path := range []string{"/containers/json?all=1", "/networks", "/volumes"} {
		text := serve(t, e, "label=team=a").want(t, http.StatusOK, "GET", path, "")
		if strings.Contains(text, other) || strings.Contains(text, "theirs") {
			t.Errorf("%s shows what is another's: %s", path, text)
		}
	}
}

// TestSocketsInContainers: who gives a container a socket with every permission is warned, and
// who gives it a narrow one is not.
func TestSocketsInContainers(t *testing.T) {
	t.Parallel()
	e := withBox(t)
	whole, narrow := serve(t, e), serve(t, e, "read,events")
	for _, c := range []struct {
		socket string
		warned bool
	}{{whole.socket, true}, {narrow.socket, false}, {"/etc/passwd", false}} {
		for _, host := range []string{
			`"Binds":["` + c.socket + `:/var/run/docker.sock"]`, `"Mounts":[{"Type":"bind","Source":"` + c.socket + `","Target":"/s"}]`,
		} {
			var made struct{ Warnings []string }
			decode(t, whole.want(t, 201, "POST", "/containers/create", `{"Image":"box","Cmd":["true"],"HostConfig":{"NetworkMode":"none",`+host+`}}`), &made)
			if c.warned != (len(made.Warnings) == 1) || c.warned && !strings.Contains(made.Warnings[0], "root on this machine") {
				t.Errorf("%s: %q", host, made.Warnings)
			}
		}
	}
}
