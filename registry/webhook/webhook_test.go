package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/db"
	"cove/registry/jobs"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/outbound"
	"cove/registry/seal"
	"cove/registry/store/change"
	"cove/registry/webhook"
	"cove/registry/webhook/payload"
)

// bench is a database with the service over it.
type bench struct {
	*testing.T
	db *metadata.DB
	*webhook.Webhooks
	box *seal.Box
}

// operator is who may everything.
var operator = auth.Operator()

// TestWebhooks runs each test below over a database of its own, in each engine.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		for _, test := range []func(bench){
			testDeliveriesAreSignedAndSentOnce,
			testEventsGoWithTheChange,
			testFailuresAreTriedAgainAndKept,
			testForbiddenAddressesAreNotTried,
			testSecretsAreSealed,
			testSpecsAreChecked,
			testDeadReceiversAreBounded,
			testOddReceiversKeepNobodyWaiting,
			testWhoMayWhat,
			testDeliveriesAreStoppedAndRepeated,
		} {
			full := runtime.FuncForPC(reflect.ValueOf(test).Pointer()).Name()
			t.Run(full[strings.LastIndex(full, ".")+1:], func(t *testing.T) {
				t.Parallel()
				test(newBench(t, open(t, time.Now), "127.0.0.0/8", "::1"))
			})
		}
	})
}

func newBench(t *testing.T, database *metadata.DB, allow ...string) bench {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/keys", 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	policy, err := outbound.ParsePolicy(allow...)
	if err != nil {
		t.Fatal(err)
	}
	box := seal.In(root)
	b := bench{t, database, webhook.New(webhook.Config{DB: database, Box: box, Outbound: policy, Host: "registry.example.com"}), box}
	b.update(func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.EnsureRepository(ctx, "team/app", metadata.Creator{Name: "ada"})
		return err
	})
	return b
}

func (b bench) update(do func(ctx context.Context, tx *metadata.Tx) error) {
	b.Helper()
	if err := b.db.Update(b.Context(), do); err != nil {
		b.Fatal(err)
	}
}

// push emits what a push does.
func (b bench) push(tags ...string) {
	b.Helper()
	b.update(func(ctx context.Context, tx *metadata.Tx) error {
		return webhook.Stored(ctx, tx, change.Change{Repository: "team/app", Digest: "sha256:ab", Tags: tags, Actor: "ada"})
	})
}

// got is a request that a receiver had.
type got struct {
	header http.Header
	body   []byte
}

// receiver is an HTTP server that answers as status says, and tells what it had.
func (b bench) receiver(status func(n int) int) (url string, requests chan got) {
	requests = make(chan got, 100)
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- got{r.Header, body}
		w.WriteHeader(status(int(n.Add(1))))
	}))
	b.Cleanup(srv.Close)
	return srv.URL, requests
}

func ok(int) int { return 200 }

func (b bench) create(s webhook.Spec) webhook.Webhook {
	b.Helper()
	h, err := b.Create(b.Context(), operator, "team", s)
	if err != nil {
		b.Fatal(err)
	}
	return h
}

// run starts a runner whose pauses are short.
func (b bench) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	kind := b.Kind()
	kind.Tries, kind.Pause = 3, func(int) time.Duration { return 0 }
	go func() {
		defer close(ended)
		jobs.NewRunner(b.db, slog.New(slog.DiscardHandler), kind).Run(ctx)
	}()
	b.Cleanup(func() { cancel(); <-ended })
}

// ended waits until a webhook has so many deliveries that are over.
func (b bench) ended(h webhook.Webhook, n int) []jobs.Job {
	b.Helper()
	for range 400 {
		all, _, err := b.Deliveries(b.Context(), operator, "team", h.ID, jobs.Query{N: 100})
		if err != nil {
			b.Fatal(err)
		}
		over := 0
		for _, j := range all {
			if !j.EndedAt.IsZero() {
				over++
			}
		}
		if over == n {
			return all
		}
		time.Sleep(25 * time.Millisecond)
	}
	b.Fatalf("%s has not %d deliveries that are over", h.Name, n)
	return nil
}

func testDeliveriesAreSignedAndSentOnce(b bench) {
	url, requests := b.receiver(ok)
	h := b.create(webhook.Spec{
		Name: new("ci"), URL: &url, Secret: new("s3cret"), Authorization: new("Bearer t0ken"),
		Events: &[]payload.Type{payload.PushArtifact, payload.PushArtifact},
	})
	b.run()
	b.push("v1", "v2")
	b.update(func(ctx context.Context, tx *metadata.Tx) error { // of which it does not hear
		return webhook.Stored(ctx, tx, change.Change{Deleted: true, Repository: "team/app", Digest: "sha256:ab"})
	})
	r := <-requests
	mac := hmac.New(sha256.New, []byte("s3cret"))
	mac.Write(r.body)
	if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); r.header.Get("X-Cove-Signature-256") != want {
		b.Errorf("signature %s, want %s", r.header.Get("X-Cove-Signature-256"), want)
	}
	for name, want := range map[string]string{"Authorization": "Bearer t0ken", "Content-Type": "application/json", "X-Cove-Event": "PUSH_ARTIFACT"} {
		if got := r.header.Get(name); got != want {
			b.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	var p struct {
		Operator string
		Data     payload.Data `json:"event_data"`
	}
	if err := json.Unmarshal(r.body, &p); err != nil || p.Operator != "ada" || len(p.Data.Resources) != 2 ||
		p.Data.Resources[1].ResourceURL != "registry.example.com/team/app:v2" || p.Data.Repository.Type != "private" {
		b.Errorf("%v %s", err, r.body)
	}
	all := b.ended(h, 1)
	if all[0].State != jobs.Done || !strings.Contains(all[0].Note, "answered 200") || r.header.Get("X-Cove-Delivery") != fmt.Sprint(all[0].ID) {
		b.Errorf("%+v", all[0])
	}
	if h, err := b.Get(b.Context(), operator, "team", h.ID); err != nil || h.Last == nil || h.Last.Status != 200 || h.Last.Error != "" {
		b.Errorf("%+v %v", h.Last, err)
	}
}

func testEventsGoWithTheChange(b bench) {
	url, _ := b.receiver(ok)
	h := b.create(webhook.Spec{Name: new("all"), URL: &url})
	undone := errors.New("undone")
	err := b.db.Update(b.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		if err := webhook.Stored(ctx, tx, change.Change{Repository: "team/app", Digest: "sha256:ab"}); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		b.Fatal(err)
	}
	b.ended(h, 0)
	if all, _, err := b.Deliveries(b.Context(), operator, "team", h.ID, jobs.Query{N: 10}); err != nil || len(all) != 0 {
		b.Errorf("of what was undone: %d %v", len(all), err)
	}
	// A quota has nothing to be undone with; and many resources are several deliveries.
	if err := webhook.Publish(b.Context(), b.db, webhook.Event{Type: payload.QuotaExceed, Project: "team"}); err != nil {
		b.Error(err)
	}
	b.push(make([]string, 250)...)
	if all, _, err := b.Deliveries(b.Context(), operator, "team", h.ID, jobs.Query{N: 10}); err != nil || len(all) != 4 {
		b.Errorf("%d deliveries, want 4: %v", len(all), err)
	}
	if err := webhook.Publish(b.Context(), b.db, webhook.Event{Type: payload.QuotaExceed, Project: "absent"}); err != nil {
		b.Error(err)
	}
}

func testFailuresAreTriedAgainAndKept(b bench) {
	url, requests := b.receiver(func(n int) int {
		if n < 3 {
			return 500
		}
		return 204
	})
	gone, _ := b.receiver(func(int) int { return http.StatusGone })
	moved, _ := b.receiver(func(int) int { return http.StatusFound })
	h, over, away := b.create(webhook.Spec{Name: new("flaky"), URL: &url}), b.create(webhook.Spec{Name: new("gone"), URL: &gone}),
		b.create(webhook.Spec{Name: new("moved"), URL: &moved})
	b.push("v1")
	b.run()
	if j := b.ended(h, 1)[0]; j.State != jobs.Done || j.Attempts != 3 {
		b.Errorf("%+v", j)
	}
	first, second := <-requests, <-requests
	if string(first.body) != string(second.body) || first.header.Get("X-Cove-Delivery") != second.header.Get("X-Cove-Delivery") {
		b.Errorf("another try is another event:\n%s\n%s", first.body, second.body)
	}
	all, err := b.Attempts(b.Context(), operator, "team", h.ID)
	if err != nil || len(all) != 3 || all[0].Status != 204 || all[1].Status != 500 || !strings.Contains(all[2].Error, "500") {
		b.Errorf("%+v %v", all, err)
	}
	if j := b.ended(over, 1)[0]; j.State != jobs.Failed || j.Attempts != 1 {
		b.Errorf("a receiver that is gone: %+v", j)
	}
	if j := b.ended(away, 1)[0]; j.State != jobs.Failed || j.Attempts != 3 || !strings.Contains(j.Error, "302") {
		b.Errorf("a redirect: %+v", j)
	}
}

// testForbiddenAddressesAreNotTried has a name lead to this machine after the
// webhook was made.
func testForbiddenAddressesAreNotTried(b bench) {
	url, requests := b.receiver(ok)
	url = strings.Replace(url, "127.0.0.1", "localhost", 1)
	strict := newStrict(b)
	if _, err := strict.Create(b.Context(), operator, "team", webhook.Spec{Name: new("n"), URL: new("http://127.0.0.1:1/")}); !errors.Is(err, errdefs.ErrInvalid) {
		b.Errorf("an address of this machine: %v", err)
	}
	h, err := strict.Create(b.Context(), operator, "team", webhook.Spec{Name: new("inside"), URL: &url})
	if err != nil {
		b.Fatal(err)
	}
	strict.run()
	b.push("v1")
	if j := b.ended(h, 1)[0]; j.State != jobs.Failed || j.Attempts != 1 || !strings.Contains(j.Error, "loopback") {
		b.Errorf("%+v", j)
	}
	if len(requests) != 0 {
		b.Error("the receiver was asked")
	}
}

// newStrict is b without any network that is allowed.
func newStrict(b bench) bench {
	b.Webhooks = webhook.New(webhook.Config{DB: b.db, Box: b.box})
	return b
}

func testSecretsAreSealed(b bench) {
	url, _ := b.receiver(ok)
	h := b.create(webhook.Spec{Name: new("n"), URL: &url, Secret: new("canary-one"), Authorization: new("canary-two")})
	if !h.HasAuth || !h.HasSecret {
		b.Errorf("%+v", h)
	}
	if shown := fmt.Sprintf("%+v", h); strings.Contains(shown, "canary") {
		b.Errorf("shown: %s", shown)
	}
	if err := db.Each(b.Context(), b.db.Querier(), func(s db.Scanner) (bool, error) {
		var auth, secret string
		err := s.Scan(&auth, &secret)
		if strings.Contains(auth+secret, "canary") || auth == "" || secret == "" {
			b.Errorf("stored: %s %s", auth, secret)
		}
		return true, err
	}, "SELECT auth_header, secret FROM webhooks"); err != nil {
		b.Fatal(err)
	}
	h, err := b.Change(b.Context(), operator, "team", h.ID, webhook.Spec{Secret: new(""), Name: new("m")})
	if err != nil || !h.HasAuth || h.HasSecret || h.Name != "m" {
		b.Errorf("without the one: %+v %v", h, err)
	}
}

func testSpecsAreChecked(b bench) {
	url := "https://hooks.example.com/"
	h := b.create(webhook.Spec{Name: new("one"), URL: &url})
	for name, s := range map[string]webhook.Spec{
		"no name": {URL: &url}, "no address": {Name: new("n")}, "header": {Name: new("n"), URL: &url, Authorization: new("a\r\nX: y")},
		"format": {Name: new("n"), URL: &url, Format: new(payload.Format("xml"))}, "long": {Name: new("n"), URL: &url, Secret: new(strings.Repeat("x", 2000))},
		"event": {Name: new("n"), URL: &url, Events: &[]payload.Type{"PUSH"}}, "password": {Name: new("n"), URL: new("https://a:b@example.com/")},
	} {
		if _, err := b.Create(b.Context(), operator, "team", s); !errors.Is(err, errdefs.ErrInvalid) {
			b.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.Create(b.Context(), operator, "team", webhook.Spec{Name: new("one"), URL: &url}); !errors.Is(err, errdefs.ErrExists) {
		b.Errorf("a second of that name: %v", err)
	}
	if _, err := b.Create(b.Context(), operator, "absent", webhook.Spec{Name: new("one"), URL: &url}); !errors.Is(err, errdefs.ErrNotFound) {
		b.Errorf("no project: %v", err)
	}
	stale := errdefs.Errorf(errdefs.ErrConflict, "stale")
	if _, err := b.Change(b.Context(), operator, "team", h.ID, webhook.Spec{If: func(webhook.Webhook) error { return stale }}); !errors.Is(err, stale) {
		b.Errorf("stale: %v", err)
	}
	all, err := b.List(b.Context(), operator, "team")
	if err != nil || len(all) != 1 || all[0].Receiver() != "https://hooks.example.com" {
		b.Errorf("%+v %v", all, err)
	}
	if err := b.Remove(b.Context(), operator, "team", h.ID); err != nil {
		b.Error(err)
	}
	if err := b.Remove(b.Context(), operator, "team", h.ID); !errors.Is(err, errdefs.ErrNotFound) {
		b.Errorf("again: %v", err)
	}
}

// testDeadReceiversAreBounded pushes while very many deliveries wait.
func testDeadReceiversAreBounded(b bench) {
	url, _ := b.receiver(ok)
	h := b.create(webhook.Spec{Name: new("dead"), URL: &url})
	b.update(func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.Querier().Exec(ctx, `INSERT INTO jobs (id, kind, subject, state, created_at, due_at)
			WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
			SELECT i, $1, $2, 'waiting', 1, $3 FROM n`, webhook.Kind, fmt.Sprint(h.ID), time.Now().Add(time.Hour).UnixMicro())
		return err
	})
	began := time.Now()
	b.push("v1")
	b.push("v2")
	b.Logf("two pushes beside 5,000 waiting deliveries: %v", time.Since(began))
	if h, err := b.Get(b.Context(), operator, "team", h.ID); err != nil || h.Lost != 2 {
		b.Errorf("lost %d: %v", h.Lost, err)
	}
}

func testWhoMayWhat(b bench) {
	url := "https://hooks.example.com/"
	h := b.create(webhook.Spec{Name: new("n"), URL: &url})
	nobody := auth.Caller{}
	for name, err := range map[string]error{
		"list": second(b.List(b.Context(), nobody, "team")), "get": second(b.Get(b.Context(), nobody, "team", h.ID)),
		"create": second(b.Create(b.Context(), nobody, "team", webhook.Spec{})), "test": second(b.Test(b.Context(), nobody, "team", h.ID)),
		"change": second(b.Change(b.Context(), nobody, "team", h.ID, webhook.Spec{})), "remove": b.Remove(b.Context(), nobody, "team", h.ID),
		"attempts": second(b.Attempts(b.Context(), nobody, "team", h.ID)), "stop": b.Stop(b.Context(), nobody, "team", h.ID, 1),
		"retry": second(b.Retry(b.Context(), nobody, "team", h.ID, 1)),
	} {
		if !errors.Is(err, errdefs.ErrUnauthenticated) {
			b.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func testDeliveriesAreStoppedAndRepeated(b bench) {
	url, requests := b.receiver(ok)
	h, other := b.create(webhook.Spec{Name: new("n"), URL: &url}), b.create(webhook.Spec{Name: new("other"), URL: &url})
	id, err := b.Test(b.Context(), operator, "team", h.ID)
	if err != nil {
		b.Fatal(err)
	}
	if err := b.Stop(b.Context(), operator, "team", other.ID, id); !errors.Is(err, errdefs.ErrNotFound) {
		b.Errorf("of another webhook: %v", err)
	}
	if err := b.Stop(b.Context(), operator, "team", h.ID, id); err != nil {
		b.Error(err)
	}
	if _, err := b.Retry(b.Context(), operator, "team", other.ID, id); !errors.Is(err, errdefs.ErrNotFound) {
		b.Errorf("of another webhook: %v", err)
	}
	if _, err := b.Retry(b.Context(), operator, "team", h.ID, id); err != nil {
		b.Error(err)
	}
	b.run()
	b.ended(h, 2)
	if r := <-requests; !strings.Contains(string(r.body), "this is a test of the webhook n") {
		b.Errorf("%s", r.body)
	}
	if _, err := b.Change(b.Context(), operator, "team", h.ID, webhook.Spec{Enabled: new(false)}); err != nil {
		b.Fatal(err)
	}
	if _, err := b.Test(b.Context(), operator, "team", h.ID); !errors.Is(err, errdefs.ErrConflict) {
		b.Errorf("a test of what is disabled: %v", err)
	}
}

// testOddReceiversKeepNobodyWaiting: a project whose receivers never answer, however many they
// are, does not take the places of the deliveries of others; and neither what a receiver says
// without an end nor where it sends us is followed.
func testOddReceiversKeepNobodyWaiting(b bench) {
	over := make(chan struct{})
	var hanging, led atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { led.Add(1) }))
	odd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/hangs":
			hanging.Add(1)
			<-over
		case "/moved":
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		case "/much":
			for range 100 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		case "/drips":
			for w.(http.Flusher).Flush(); r.Context().Err() == nil; {
				_, _ = w.Write([]byte("."))
				w.(http.Flusher).Flush()
				select {
				case <-time.After(50 * time.Millisecond):
				case <-r.Context().Done():
				}
			}
		}
	}))
	b.Cleanup(func() { close(over); odd.Close(); elsewhere.Close() })
	b.update(func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.EnsureRepository(ctx, "quiet/app", metadata.Creator{Name: "bob"})
		return err
	})
	hook := func(project, path string) webhook.Webhook {
		name := strings.Trim(path, "/") + fmt.Sprint(time.Now().UnixNano())
		h, err := b.Create(b.Context(), operator, project, webhook.Spec{Name: &name, URL: new(odd.URL + path)})
		if err != nil {
			b.Fatal(err)
		}
		return h
	}
	const many = 40 // more than are delivered at once
	for range many {
		hook("team", "/hangs")
	}
	b.run()
	b.push("v1")
	for end := time.Now().Add(20 * time.Second); hanging.Load() == 0; time.Sleep(25 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatal("none of them is asked")
		}
	}
	for path, want := range map[string]string{"/much": "answered 200", "/drips": "answered 200", "/moved": "307 Temporary Redirect"} {
		h := hook("quiet", path)
		if _, err := b.Test(b.Context(), operator, "quiet", h.ID); err != nil {
			b.Fatal(err)
		}
		var last jobs.Job
		for end := time.Now().Add(30 * time.Second); last.EndedAt.IsZero() && time.Now().Before(end); time.Sleep(25 * time.Millisecond) {
			all, _, err := b.Deliveries(b.Context(), operator, "quiet", h.ID, jobs.Query{N: 1})
			if err != nil || len(all) != 1 {
				b.Fatal(all, err)
			}
			last = all[0]
			running, _, err := jobs.Page(b.Context(), b.db.Querier(), jobs.Query{Project: "team", State: jobs.Running, N: many})
			if err != nil || len(running) > 4 {
				b.Fatalf("of the project whose receivers hang %d deliveries run at once: %v", len(running), err)
			}
		}
		if !strings.Contains(last.Note+last.Error, want) {
			b.Errorf("%s: %+v", path, last)
		}
	}
	if led.Load() != 0 {
		b.Error("a redirect was followed")
	}
}
