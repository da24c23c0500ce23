package bare_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cove/bench/asker"
	"cove/bench/bare"
)

// TestImage pushes an image as the bench does, and pulls it.
func TestImage(t *testing.T) {
	t.Parallel()
	ts := httptest.NewServer(bare.Handler(t.TempDir()))
	t.Cleanup(ts.Close)
	c, ctx := &asker.Client{Base: ts.URL}, t.Context()
	if err := c.PullImage(ctx, "one"); err == nil {
		t.Error("it is there before it was pushed")
	}
	if err := c.PushImage(ctx, "one", asker.NewLayer(1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := c.PullImage(ctx, "one"); err != nil {
		t.Error(err)
	}
	wrong := asker.Call{Method: http.MethodPut, Path: "/v2/bench/app/blobs/uploads/x?digest=sha256:" + strings.Repeat("0", 64), Body: []byte("a")}
	if _, err := c.Do(ctx, wrong); err == nil {
		t.Error("bytes of another digest are taken")
	}
}
