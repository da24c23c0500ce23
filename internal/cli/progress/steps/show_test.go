package steps_test

import (
	"bytes"
	"testing"

	"github.com/spf13/pflag"

	"cove/engine/builds"
	"cove/internal/cli/progress/steps"
)

// TestShow: a kind of progress shows what it says, and one that is none is refused.
func TestShow(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{
		"plain": "#1 work\n", "auto": "#1 work\n", "quiet": "", "none": "",
		"rawjson": `{"vertexes":[{"digest":`,
	} {
		var out bytes.Buffer
		event, b, err := steps.Show(&out, kind, false)
		if err != nil {
			t.Fatal(err)
		}
		if event != nil {
			event(builds.Event{
				Index: 1, Total: 1, Kind: builds.Started, Vertex: &builds.Vertex{Name: "work"},
			})
		}
		if b != nil {
			b.Close()
		}
		if got := out.String(); got != want && (want == "" || !bytes.HasPrefix(out.Bytes(), []byte(want))) {
			t.Errorf("%s shows %q, want %q", kind, got, want)
		}
	}
	for _, kind := range []string{"tty", "odd", ""} { // a buffer is no terminal
		if _, _, err := steps.Show(&bytes.Buffer{}, kind, false); err == nil {
			t.Errorf("%q is taken", kind)
		}
		if event, _, err := steps.Show(&bytes.Buffer{}, kind, true); (err == nil) != (kind == "tty") || event != nil {
			t.Errorf("%q with --quiet: %v", kind, err)
		}
	}
}

// TestFromEnvironment: the variable counts where the flag is not given.
func TestFromEnvironment(t *testing.T) {
	t.Setenv("BUILDKIT_PROGRESS", "rawjson")
	for _, tc := range []struct {
		args []string
		want string
	}{{nil, "rawjson"}, {[]string{"--progress", "plain"}, "plain"}} {
		var kind string
		fs := pflag.NewFlagSet("build", pflag.ContinueOnError)
		steps.Flag(fs, &kind)
		if err := fs.Parse(tc.args); err != nil {
			t.Fatal(err)
		}
		if steps.FromEnvironment(fs, &kind); kind != tc.want {
			t.Errorf("%q: %s, want %s", tc.args, kind, tc.want)
		}
	}
}
