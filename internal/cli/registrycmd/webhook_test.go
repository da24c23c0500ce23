package registrycmd

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// outlet is a receiver of webhooks that may be down, at an address that stays.
type outlet struct {
	address string
	mu      sync.Mutex
	tags    map[string]int // how often each was heard of
}

// listen has the receiver answer until the returned function is called.
func (o *outlet) listen(t *testing.T) (stop func()) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", o.address)
	if err != nil {
		t.Fatal(err)
	}
	o.address = l.Addr().String()
	srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: o}}
	srv.Start()
	return srv.Close
}

// ServeHTTP keeps the tags of a notification.
func (o *outlet) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var told struct {
		Data struct {
			Resources []struct{ Tag string }
		} `json:"event_data"`
	}
	body, _ := io.ReadAll(r.Body)
	if json.Unmarshal(body, &told) != nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, res := range told.Data.Resources {
		o.tags[res.Tag]++
	}
}

func (o *outlet) heard(tag string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.tags[tag] > 0
}

// TestNoEventIsLostByAKill pushes while nobody answers, kills the registry again and
// again, and has the receiver hear of every push that was acknowledged.
func TestNoEventIsLostByAKill(t *testing.T) {
	t.Parallel()
	o := &outlet{address: "127.0.0.1:0", tags: map[string]int{}}
	o.listen(t)() // for the address
	root, config := t.TempDir(), filepath.Join(t.TempDir(), "registry.yaml")
	if err := os.WriteFile(config, []byte("outbound: {allow: [127.0.0.0/8]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var acknowledged []string
	const index = "application/vnd.oci.image.index.v1+json"
	for round := range 4 {
		p := serve(t, root, "--tls=off", "--config", config)
		if round == 0 {
			push(t, p, "team/app", "first", "first")
			if _, errs, code := here(t, "", "webhook", "create", "team", "ci", "http://"+o.address+"/", "--config", config, "--root", root); code != 0 {
				t.Fatal(errs)
			}
		}
		var pushers sync.WaitGroup
		var mu sync.Mutex
		for worker := range 3 {
			pushers.Go(func() {
				for i := 0; ; i++ {
					tag := fmt.Sprintf("r%d-w%d-%d", round, worker, i)
					body := []byte(`{"schemaVersion":2,"mediaType":"` + index + `","manifests":[],"annotations":{"text":"` + tag + `"}}`)
					if code, _, _ := p.do("PUT", "/v2/team/app/manifests/"+tag, body, "Content-Type", index); code != 201 {
						return
					}
					mu.Lock()
					acknowledged = append(acknowledged, tag)
					mu.Unlock()
					time.Sleep(20 * time.Millisecond)
				}
			})
		}
		time.Sleep(400 * time.Millisecond)
		p.Kill()
		pushers.Wait()
	}
	// Those that were tried while nobody answered wait for their next attempt.
	p := serve(t, root, "--tls=off", "--config", config)
	defer o.listen(t)()
	again := map[string]bool{}
	waitFor(t, "every push that was acknowledged", func() bool {
		o.retryFailures(t, root, config, again)
		for _, tag := range acknowledged {
			if !o.heard(tag) {
				return false
			}
		}
		return true
	})
	p.Stop()
	t.Logf("%d pushes acknowledged over 4 kills, %d heard of", len(acknowledged), len(o.tags))
	if len(acknowledged) == 0 {
		t.Error("nothing was pushed")
	}
}

// retryFailures stops what waits for long, and sends it again at once.
func (o *outlet) retryFailures(t *testing.T, root, config string, done map[string]bool) {
	t.Helper()
	at := []string{"--config", config, "--root", root}
	out, errs, code := here(t, "", append([]string{"webhook", "deliveries", "team", "ci", "--state", "waiting", "-n", "1000", "-q"}, at...)...)
	if code != 0 {
		t.Fatal(errs)
	}
	for delivery := range strings.FieldsSeq(out) {
		if done[delivery] {
			continue
		}
		done[delivery] = true
		if _, _, code := here(t, "", append([]string{"webhook", "stop", "team", "ci", delivery}, at...)...); code == 0 {
			here(t, "", append([]string{"webhook", "retry", "team", "ci", delivery}, at...)...)
		}
	}
	time.Sleep(200 * time.Millisecond)
}
