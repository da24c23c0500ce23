package cachecmd

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/engine"
	"cove/engine/dockertypes/lists"
	"cove/internal/cli/output"
)

func TestList(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	entries := []engine.CacheEntry{
		{ID: digest.FromString("a"), Step: "RUN make", Size: 1500, Used: now.Add(-time.Hour), Images: []string{"app:v1", "app:v2"}},
		{ID: digest.FromString("b"), Step: "COPY " + strings.Repeat("long ", 20), Size: 3 << 20, Used: now.Add(-48 * time.Hour)},
	}
	var out bytes.Buffer
	if err := write(&out, output.Options{}, entries, lists.Options{Now: now}); err != nil {
		t.Fatal(err)
	}
	want := `ID             RECLAIMABLE   SIZE      LAST ACCESSED       KEPT BY                       STEP
ca978112ca1b   false         1.5kB     About an hour ago   build cache, app:v1, app:v2   RUN make
3e23e8160039   true          3.146MB   2 days ago          build cache                   COPY long long long long long long long long…
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestUntil(t *testing.T) {
	t.Parallel()
	for f, want := range map[string]time.Duration{"until=72h": 72 * time.Hour, "unused-for=1m": time.Minute} {
		if got, err := until([]string{f}); err != nil || got != want {
			t.Errorf("%s: %v %v", f, got, err)
		}
	}
	for _, bad := range []string{"until", "until=soon", "until=-1h", "label=a", "type=x"} {
		if _, err := until([]string{bad}); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}
