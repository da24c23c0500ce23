package api_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cove/distribution/distributiontest"
	"cove/engine/api"
)

// held is one sentence of what clients rely on in all answers, and what holds cove to it: tests,
// or stories of e2e by their files.
type held struct{ text, tests string }

// rules are the sentences by their rules, for the documentation, too.
var rules = [][]held{
	{
		{"Every path is served with a version and without.", "TestRoutesAreFound TestEveryAnswerHasItsHeaders"},
		{"Without one it is the newest.", "TestRoutesAreFound"},
	}, {
		{"`Api-Version`, `Ostype: linux`, `Server: Docker/… (linux)` and `Docker-Experimental` are on every response, errors too.", "TestEveryAnswerHasItsHeaders"},
	}, {
		{"`HEAD /_ping` is 200 without a body, plain text, not cached, with `Builder-Version: 2` and `Swarm: inactive`.", "TestPing"},
		{"`GET /_ping` is the same with the body `OK`.", "TestPing"},
	}, {
		{"A version that is too old or too new is 400, in dockerd's words.", "TestVersionsThatAreNotServed TestEdges TestAnswers"},
	}, {
		{"1.51 is announced, under every version.", "TestVersionsAreAnnounced TestVersionAndInfo"},
		{"1.24 is the oldest that is served.", "TestVersionsAreAnnounced TestEdges"},
		{"Each version has its own shapes.", "TestShapesByVersion"},
	}, {
		{"Errors are `{\"message\": …}` with docker's status.", "TestErrorsHaveStatusAndRemedy TestAnswers TestRefusals"},
		{"A start or stop of what is so already is 304.", "TestLife TestAnswers"},
	}, {
		{"With an upgrade the answer is literally `101 UPGRADED`, with `Content-Type`, `Connection` and `Upgrade: tcp`.", "TestRunAsDockerDoes TestStreamsTakenOver"},
		{"Without one it is `200 OK` and a raw stream.", "TestStreamsTakenOver TestExec"},
		{"Neither length nor chunks follow.", "TestStreamsTakenOver"},
	}, {
		{"The stream is multiplexed without a terminal and since 1.42, else raw, by its name.", "TestStreamsTakenOver TestExec"},
		{"Frames are eight bytes, stream and length, and what they hold.", "TestStreamsTakenOver TestLife"},
		{"What a terminal says has none.", "TestStreamsTakenOver TestDockerAtATerminal"},
	}, {
		{"The end of a client's input ends the process's, and its output goes on.", "TestRunAsDockerDoes TestStreamsUnderLoad"},
		{"The end of the output ends the connection.", "TestStreamsTakenOver TestRunAsDockerDoes"},
	}, {
		{"A failure before a connection is taken over is an answer.", "TestFailuresOfExecs TestAsked"},
		{"One after it is text in the stream.", "TestFailuresOfExecs TestDockerDrivesCove"},
	}, {
		{"A wait has its headers at once, by whichever condition.", "TestWaitsAreAnsweredAtOnce TestRunAsDockerDoes"},
		{"Its body is `{\"StatusCode\":n,\"Error\":null}`.", "TestWaitsAreAnsweredAtOnce TestRunAsDockerDoes"},
		{"It survives the removal of its container.", "TestWaitsAreAnsweredAtOnce TestDockerPy"},
	}, {
		{"Who attaches before the start gets the first byte.", "TestRunAsDockerDoes TestStreamsUnderLoad"},
		{"Several may attach.", "TestRunAsDockerDoes TestOneThatDoesNotRead"},
		{"The keys for it leave, and the container runs on.", "TestDetachAndLogs"},
		{"With `logs=1` what was said before comes first.", "TestDetachAndLogs TestAnswers"},
	}, {
		{"A resize before the process runs is 409.", "TestSizesOfTerminals TestLife"},
		{"Containers and execs have the size that the client has.", "TestSizesOfTerminals TestDockerAtATerminal"},
	}, {
		{"A create of an image that is not here is 404 and says so: clients pull then.", "TestLife TestDockerPy TestDockerDrivesCove"},
	}, {
		{"Filters have both of docker's forms.", "TestFilters FuzzFilters TestAnswers"},
		{"Labels are chosen by key, by key and value, and by their absence where things are pruned.", "TestAnswers TestAsked"},
		{"A filter that is not known is 400.", "TestFilters TestAnswers"},
	}, {
		{"Events have docker's names.", "TestNamesOfEvents TestDockerPy"},
		{"They have `status`, `id` and `from`, too.", "TestNamesOfEvents TestEvents"},
		{"They are told again with since and until.", "TestNamesOfEvents TestDockerPy"},
		{"Each is sent at once.", "TestEvents TestDockerPy"},
	}, {
		{"Progress is lines: status, id and numbers of a transfer, `stream` and `aux` of a build.", "TestTransfers TestClassicBuild"},
		{"A failure has `errorDetail` and `error`; after 200 it is a line.", "TestFailureOfACommand TestReports"},
	}, {
		{"A push tells tag, digest and size.", "TestTransfers"},
		{"A build tells its image.", "TestClassicBuild TestReports"},
		{"A pull ends with `Digest:` and `Status:`.", "TestTransfers"},
	}, {
		{"Inspect has no null where docker has an empty object or list.", "TestShapesByVersion TestReports"},
		{"Published ports have an address and a number.", "TestInspectSaysAll TestReports"},
		{"Ends of networks have the network's id, health is `State.Health`, times are RFC 3339, names begin with a slash.", "TestInspectSaysAll"},
		{"What inspect says makes the same container again.", "TestMadeAgain"},
	}, {
		{"`bridge`, `host` and `none` are networks.", "TestNetworksAndVolumes TestAnswers"},
		{"Labels are kept, and a name is given once.", "TestNetworksAndVolumes TestReports"},
	}, {
		{"`X-Registry-Auth` has a name and password, an identity token or a registry's.", "TestSignInsOfRequests TestTokensOfRequests"},
		{"`X-Registry-Config` has those of a build.", "TestSignIns"},
	}, {
		{"`host-gateway` is an address of extra hosts.", "run.txt TestComposeDrivesCove"},
	}, {
		{"`always` and `unless-stopped` come back when the machine does.", "TestStartOnBoot"},
	}, {
		{"A container has `/.dockerenv`.", "TestKnowsItself TestMark"},
		{"Its id is in paths of its mounts.", "TestKnowsItself"},
	}, {
		{"`/distribution/…/json` asks the registry.", "TestTransfers TestSignInsOfRequests"},
	}, {
		{"Binds may have z, Z, cached, delegated and propagations.", "TestBodiesBecomeOptions"},
	},
}

// TestRulesAreHeld finds each test that is named for a rule.
func TestRulesAreHeld(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, root := range []string{"..", "../../e2e", "../../internal/cli"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if strings.HasSuffix(path, ".txt") {
				known[filepath.Base(path)] = true
			}
			if !strings.HasSuffix(path, "_test.go") {
				return nil
			}
			text, err := os.ReadFile(path)
			for line := range strings.Lines(string(text)) {
				if name, ok := strings.CutPrefix(line, "func "); ok {
					known[name[:max(strings.IndexByte(name, '('), 0)]] = true
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range slices.Concat(rules...) {
		for name := range strings.FieldsSeq(r.tests) {
			if !known[name] {
				t.Errorf("%s: there is no %s", r.text, name)
			}
		}
	}
}

// TestEveryAnswerHasItsHeaders asks every route, most of them for what is not there.
func TestEveryAnswerHasItsHeaders(t *testing.T) {
	t.Parallel()
	e := fresh(t)
	c := serve(t, e)
	asked := 0
	for _, r := range api.Table(t.Context(), e, nil) {
		path := strings.NewReplacer("{id}", "nothing", "{name...}", "127.0.0.1:1/nothing", "{name}", "nothing", "{method}", "Nothing").Replace(r.Path)
		if r.Path == "/events" {
			path += "?until=1"
		}
		for _, version := range []string{"", "/v1.51"} {
			ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
			req, err := http.NewRequestWithContext(ctx, r.Method, "http://d"+version+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.Do(req)
			if err != nil {
				t.Fatalf("%s %s: %v", r.Method, path, err)
			}
			haveHeaders(t, r.Method+" "+version+path, res.Header)
			res.Body.Close()
			stop()
			asked++
		}
	}
	if asked < 200 {
		t.Errorf("the table has %d routes", asked/2)
	}
	for _, path := range []string{"/", "/v1.23/_ping", "/v1.99/_ping", "/nothing"} {
		res, _ := c.ask(t, "GET", path, "")
		haveHeaders(t, path, res.Header)
	}
}

func haveHeaders(t *testing.T, what string, h http.Header) {
	t.Helper()
	if !strings.HasPrefix(h.Get("Server"), "Docker/") || !strings.HasSuffix(h.Get("Server"), " (linux)") ||
		h.Get("Api-Version") != "1.51" || h.Get("Ostype") != "linux" || h.Get("Docker-Experimental") != "false" {
		t.Errorf("%s has the headers %v", what, h)
	}
}

// TestVersionsAreAnnounced asks under every version which ones there are.
func TestVersionsAreAnnounced(t *testing.T) {
	t.Parallel()
	c := serve(t, fresh(t))
	for minor := 24; minor <= 51; minor++ {
		text := c.want(t, 200, "GET", fmt.Sprintf("/v1.%d/version", minor), "")
		if !strings.Contains(text, `"ApiVersion":"1.51"`) || !strings.Contains(text, `"MinAPIVersion":"1.24"`) {
			t.Errorf("1.%d is told %s", minor, text)
		}
	}
	c.want(t, 400, "GET", "/v1.23/version", "")
	c.want(t, 400, "GET", "/v1.52/version", "")
}

// TestSignInsOfRequests pushes to and pulls from a registry that wants to know who asks,
// by what the client sends: nothing that is kept here is used.
func TestSignInsOfRequests(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	inner := distributiontest.Handler(t, t.Context(), distributiontest.NewMemory(distributiontest.Store(t)))
	host := distributiontest.Listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "u?>" || password != "p" {
			w.Header().Set("Www-Authenticate", `Basic realm="here"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	name := host + "/team/box"
	c.want(t, http.StatusCreated, "POST", "/images/box/tag?repo="+name+"&tag=1", "")
	push, pull, look := "/images/"+name+"/push?tag=1", "/images/create?fromImage="+name+"&tag=1", "/distribution/"+name+":1/json"
	right := `{"username":"u?>","password":"p","serveraddress":"` + host + `"}` // whose base64 has - and _
	for what, auth := range map[string]string{
		"base64url": base64.URLEncoding.EncodeToString([]byte(right)), "without its end": base64.RawURLEncoding.EncodeToString([]byte(right)),
		"plain base64": base64.StdEncoding.EncodeToString([]byte(right)),
	} {
		for _, ask := range []struct{ method, path string }{{"POST", push}, {"POST", pull}, {"GET", look}} {
			if status, text := c.askAs(t, auth, ask.method, ask.path); status != 200 || strings.Contains(text, `"error"`) {
				t.Errorf("%s: %s is %d %s", what, ask.path, status, text)
			}
		}
	}
	wrong := base64.URLEncoding.EncodeToString([]byte(strings.Replace(right, `"p"`, `"x"`, 1)))
	for what, auth := range map[string]string{"nobody": "", "an empty one": "e30=", "a wrong one": wrong} {
		for _, ask := range []struct{ method, path string }{{"POST", push}, {"POST", pull}, {"GET", look}} {
			if status, text := c.askAs(t, auth, ask.method, ask.path); status == 200 && !strings.Contains(text, `"error"`) {
				t.Errorf("%s: %s is %d %s", what, ask.path, status, text)
			}
		}
	}
	if status, text := c.askAs(t, "{}", "POST", pull); status != 400 {
		t.Errorf("what is no sign-in is %d %s", status, text)
	}
}

// askAs asks with a sign-in.
func (c *client) askAs(t *testing.T, auth, method, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://d"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if auth != "" {
		req.Header.Set("X-Registry-Auth", auth)
	}
	return c.send(t, req)
}

const shapesFile = "testdata/shapes.txt"

// TestShapesByVersion holds what answers have to a golden: all of the newest version, and
// of each older one what differs from the next.
func TestShapesByVersion(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["true"],"Labels":{"a":"b"},"ExposedPorts":{"80/tcp":{}},"Volumes":{"/v":{}},
		"HostConfig":{"NetworkMode":"none"}}`)
	var b strings.Builder
	for _, path := range []string{
		"/version", "/containers/json?all=1", "/containers/" + id + "/json", "/images/json", "/images/box/json", "/images/box/history",
		"/networks", "/networks/none", "/volumes",
	} {
		newest := shapeOf(t, c.want(t, 200, "GET", path, ""))
		fmt.Fprintf(&b, "GET %s\n", strings.Replace(path, id, "ID", 1))
		for _, line := range slices.Sorted(maps.Keys(newest)) {
			fmt.Fprintf(&b, "  %s\n", line)
		}
		for minor := 51; minor >= 24; minor-- {
			older := shapeOf(t, c.want(t, 200, "GET", fmt.Sprintf("/v1.%d%s", minor, path), ""))
			for _, line := range differences(newest, older) {
				fmt.Fprintf(&b, "  1.%d: %s\n", minor, line)
			}
			newest = older
		}
	}
	if *update {
		if err := os.WriteFile(shapesFile, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(shapesFile); err != nil || string(want) != b.String() {
		t.Errorf("%s is not what is answered (%v): go test ./engine/api -update\n%s", shapesFile, err, b.String())
	}
}
