package client_test

import (
	"io"
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
