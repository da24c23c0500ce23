package build

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"
	"google.golang.org/protobuf/proto"

	"cove/engine/builds"
)

// streams are what was sent, one after the other.
func streams(t *testing.T, body *bytes.Buffer) (all string) {
	t.Helper()
	for dec := json.NewDecoder(body); dec.More(); {
		var l line
		if err := dec.Decode(&l); err != nil {
			t.Fatal(err)
		}
		all += l.Stream
	}
	return all
}

// TestStepsAreToldInOrder: what steps write that run at once does not mix.
func TestStepsAreToldInOrder(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	told := newTold(newLines(w), false)
	vertex := func(name string) *builds.Vertex {
		return &builds.Vertex{Name: "[a 1/1] " + name, Definition: "sha256:0123456789abcdef"}
	}
	one, two := vertex("RUN one"), vertex("RUN two")
	internal := &builds.Vertex{Name: "[internal] load build context"}
	for _, e := range []builds.Event{
		{Kind: builds.Started, Vertex: internal, Index: 1},
		{Kind: builds.Done, Vertex: internal, Index: 1},
		{Kind: builds.Started, Vertex: two, Index: 3},
		{Kind: builds.Log, Vertex: two, Index: 3, Data: []byte("from two\n")},
		{Kind: builds.Started, Vertex: one, Index: 2},
		{Kind: builds.Log, Vertex: one, Index: 2, Data: []byte("from one\n")},
		{Kind: builds.Done, Vertex: two, Index: 3},
		{Kind: builds.Done, Vertex: one, Index: 2},
		{Kind: builds.Started, Vertex: vertex("COPY a /"), Index: 4},
	} {
		e.Total = 5
		told.event(e)
	}
	told.flush()
	want := "Step 1/3 : RUN one\nfrom one\n ---> 0123456789ab\n" +
		"Step 2/3 : RUN two\nfrom two\n ---> 0123456789ab\n" +
		"Step 3/3 : COPY a /\n"
	if diff := cmp.Diff(want, streams(t, w.Body)); diff != "" {
		t.Error(diff)
	}
}

// TestFailureOfACommand: the error that docker's clients take their exit code from.
func TestFailureOfACommand(t *testing.T) {
	t.Parallel()
	failed := &builds.Error{
		Location: builds.Location{File: "Dockerfile", Line: 2, Instruction: "RUN exit 3"}, Err: &builds.ExitError{Code: 3},
	}
	w := httptest.NewRecorder()
	out := newLines(w)
	if err := out.fail(failed); !errors.Is(err, failed) {
		t.Errorf("before the first line it is the answer: %v", err)
	}
	if err := out.send(line{Stream: "x"}); err != nil {
		t.Fatal(err)
	}
	w.Body.Reset()
	if err := out.fail(failed); err != nil {
		t.Error(err)
	}
	const message = `The command '/bin/sh -c exit 3' returned a non-zero code: 3`
	if want := fmt.Sprintf(`{"errorDetail":{"code":3,"message":%q},"error":%q}`+"\n", message, message); w.Body.String() != want {
		t.Errorf("%s, want %s", w.Body, want)
	}
}

func TestOptionsOfVersion2(t *testing.T) {
	t.Parallel()
	o, err := read(url.Values{
		"version": {"2"}, "session": {"s"}, "buildid": {"b"}, "remote": {clientSession}, "dockerfile": {"D"}, "target": {"t"}, "nocache": {"1"},
		"pull": {"1"}, "buildargs": {`{"A":"1"}`}, "labels": {`{"l":"2"}`}, "platform": {"linux/arm/v7"}, "extrahosts": {"a:1.2.3.4", "b:1.2.3.5"},
		"cachefrom": {`["x","y"]`}, "networkmode": {"host"}, "outputs": {`[{"Type":"local"}]`},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"filename": "D", "target": "t", "no-cache": "", "image-resolve-mode": "pull", "build-arg:A": "1", "label:l": "2",
		"platform": "linux/arm/v7", "add-hosts": "a=1.2.3.4,b=1.2.3.5", "cache-from": "x,y", "force-network-mode": "host",
	}
	if diff := cmp.Diff(want, o.frontend()); diff != "" || o.id != "b" || o.exporters[0].Type != "local" {
		t.Errorf("%s %+v", diff, o)
	}
	o.Context = "https://example.com/app.git"
	if o.frontend()["context"] != o.Context {
		t.Error("a context that is fetched")
	}
	if _, err := read(url.Values{"version": {"2"}, "session": {"s"}, "memory": {"1048576"}}); err == nil {
		t.Error("limits are overlooked")
	}
}

// TestVersion2: the files are on a session, and the progress is BuildKit's.
func TestVersion2(t *testing.T) {
	t.Parallel()
	srv, e := newServer(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"Dockerfile": "FROM scratch\nCOPY a /\n", "a": "1"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := fsutil.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := session.NewSession(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	s.Allow(filesync.NewFSSyncProvider(filesync.StaticDirSource{"context": files, "dockerfile": files}))
	ended := make(chan error, 1)
	go func() {
		ended <- s.Run(context.WithoutCancel(t.Context()), func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return upgrade(ctx, srv.Listener.Addr().String(), proto, meta)
		})
	}()
	q := url.Values{"version": {"2"}, "session": {s.ID()}, "buildid": {"b"}, "remote": {clientSession}, "t": {"app:v1"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/v1.41/build?"+q.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	names, id := "", ""
	for dec := json.NewDecoder(res.Body); ; {
		var l struct {
			ID, Error string
			Aux       json.RawMessage
		}
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil || l.Error != "" {
			t.Fatal(err, l.Error)
		}
		if l.ID == "moby.image.id" {
			id = string(l.Aux)
			continue
		}
		var message []byte
		status := &control.StatusResponse{}
		if err := errors.Join(json.Unmarshal(l.Aux, &message), proto.Unmarshal(message, status)); err != nil {
			t.Fatal(err)
		}
		for _, v := range status.Vertexes {
			names += v.Name + "\n"
		}
	}
	if !strings.Contains(names, "COPY a /") || !strings.Contains(id, "sha256:") {
		t.Errorf("told of %q, made %s", names, id)
	}
	if _, err := e.InspectImage(t.Context(), "app:v1"); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	<-ended
}

func upgrade(ctx context.Context, addr, proto string, meta map[string][]string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://d/session", nil)
	if err != nil {
		return nil, err
	}
	for key, values := range meta {
		req.Header[http.CanonicalHeaderKey(key)] = values
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", proto)
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return nil, errors.New(res.Status)
	}
	return conn, nil
}
