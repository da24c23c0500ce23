package reach

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"cove/engine/runspec"
)

// TestWarnings asks sockets what they are: one with every permission, one with fewer, one that is
// another program's, one that says nothing, and files that are none.
func TestWarnings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	listen := func(name string, h http.Handler) string {
		path := filepath.Join(dir, name)
		l, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			t.Cleanup(func() { l.Close() })
			return path
		}
		srv := &http.Server{Handler: h}
		go func() { _ = srv.Serve(l) }()
		t.Cleanup(func() { srv.Close() })
		return path
	}
	saying := func(access string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodHead || r.URL.Path != "/_ping" {
				t.Errorf("%s %s", r.Method, r.URL)
			}
			w.Header().Set(Header, access)
		})
	}
	whole := listen("whole.sock", saying("all"))
	var volumes []runspec.Volume
	for _, path := range []string{
		whole, listen("narrow.sock", saying("read,events")), listen("label.sock", saying("label=a=all")), listen("docker.sock", http.NotFoundHandler()),
		listen("silent.sock", nil), dir, filepath.Join(dir, "nothing"), "named", "",
	} {
		volumes = append(volumes, runspec.Volume{Source: path, Target: "/run/docker.sock"})
	}
	got := Warnings(t.Context(), volumes)
	if len(got) != 1 || !strings.HasPrefix(got[0], whole+" is the API of cove with every permission") || !strings.Contains(got[0], "--allow read,events") {
		t.Errorf("%s", fmt.Sprint(got))
	}
}
