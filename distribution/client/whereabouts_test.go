package client_test

import (
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"cove/content/memstore"
	"cove/distribution/client"
	"cove/distribution/distributiontest"
	"cove/distribution/progress"
)

// TestBlobsTravelOnce: a blob that goes to several repositories of a registry at once is
// sent to one of them, and one that was read there is not sent at all.
func TestBlobsTravelOnce(t *testing.T) {
	t.Parallel()
	body := distributiontest.Bytes(1, 3<<20)
	desc := distributiontest.Blob("x", body)
	src := distributiontest.Store(t, body)
	served := &counting{Handler: distributiontest.Handler(t, t.Context(), distributiontest.NewMemory(memstore.New(time.Now)))}
	host := distributiontest.Listen(t, served)
	c := distributiontest.NewClient(t, client.Config{})
	var events tally
	push := func(c *client.Client, repo string) {
		if err := c.Repository(host, repo).PushBlob(t.Context(), desc, src, client.PushOptions{Progress: events.tell}); err != nil {
			t.Error(err)
		}
	}
	var all sync.WaitGroup
	for _, repo := range []string{"team/a", "team/b", "team/c", "team/a"} {
		all.Go(func() { push(c, repo) })
	}
	all.Wait()
	if sent := served.received.Load(); sent != desc.Size || events.kinds[progress.Mounted] != 2 {
		t.Errorf("%d bytes were sent of a blob of %d, and it was mounted %d times", sent, desc.Size, events.kinds[progress.Mounted])
	}
	// Another process, which reads it first.
	c = distributiontest.NewClient(t, client.Config{})
	r, err := c.Repository(host, "team/b").OpenBlob(t.Context(), desc, 0, nil)
	if err == nil {
		_, err = io.Copy(io.Discard, r)
		_ = r.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	push(c, "team/d")
	if sent := served.received.Load(); sent != desc.Size || events.kinds[progress.Mounted] != 3 {
		t.Errorf("after it was read: %d bytes were sent, mounted %d times", sent, events.kinds[progress.Mounted])
	}
}

// TestMountIsLookedFor: a large blob is mounted from whichever of the places has it, and the
// uploads that the others opened are given up. A small one is sent after the first has it not.
func TestMountIsLookedFor(t *testing.T) {
	t.Parallel()
	mem := distributiontest.Handler(t, t.Context(), distributiontest.NewMemory(memstore.New(time.Now)))
	var mu sync.Mutex
	asked := map[string]int{}
	served := &counting{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead && r.Method != http.MethodGet {
			mu.Lock()
			asked[strings.TrimSpace(r.Method+" "+r.URL.Query().Get("from"))]++
			mu.Unlock()
		}
		mem.ServeHTTP(w, r)
	})}
	host := distributiontest.Listen(t, served)
	for _, tt := range []struct {
		name  string
		size  int
		from  []string
		sent  int64
		asked map[string]int
	}{
		{
			"the third has it", 2 << 20,
			[]string{"no/a", "no/b", "team/has", "no/c"},
			0,
			map[string]int{"POST no/a": 1, "POST no/b": 1, "POST team/has": 1, "DELETE": 2},
		},
		{
			"nobody has it", 2<<20 + 1,
			[]string{"no/a", "no/b", "no/c", "no/d", "no/e"},
			2<<20 + 1,
			map[string]int{"POST no/a": 1, "POST no/b": 1, "POST no/c": 1, "POST no/d": 1, "DELETE": 3, "PUT": 1},
		},
		{"small", 1000, []string{"no/a", "team/has"}, 1000, map[string]int{"POST no/a": 1, "PUT": 1}},
	} {
		body := distributiontest.Bytes(uint64(tt.size), tt.size)
		desc, src := distributiontest.Blob("x", body), distributiontest.Store(t, body)
		if tt.name != "nobody has it" {
			other := distributiontest.NewClient(t, client.Config{}).Repository(host, "team/has")
			if err := other.PushBlob(t.Context(), desc, src, client.PushOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		clear(asked)
		served.received.Store(0)
		to := distributiontest.NewClient(t, client.Config{}).Repository(host, "team/to")
		if err := to.PushBlob(t.Context(), desc, src, client.PushOptions{MountFrom: tt.from}); err != nil {
			t.Fatal(err)
		}
		if sent := served.received.Load(); sent != tt.sent || !maps.Equal(asked, tt.asked) {
			t.Errorf("%s: %d bytes were sent, and asked was %v", tt.name, sent, asked)
		}
	}
}
